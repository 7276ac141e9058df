"""The list of all S2LOW endpoints in docs/compatibility.md is that of the routes: what it says is served, is; no more.

A new route: change the state of its line there to `done`, or to `different` with the reason;
what S2LOW does not have is `ours`.
"""

import re

from tdt.web.routes import ROUTES
from tests.architecture.sources import ROOT

HEADING = "## Every endpoint of S2LOW"
LINE = re.compile(r"^\| `(?P<path>/[^`]+)` \| (?P<state>[a-z ]+) \| (?P<why>.*?) ?\|$")
SERVED = {"done", "different", "ours"}
STATES = {*SERVED, "browser only", "not yet"}


def listed() -> dict[str, tuple[str, str]]:
    """State and reason by path."""
    page = (ROOT / "docs/compatibility.md").read_text(encoding="utf-8")
    lines = [line for line in page.partition(HEADING)[2].splitlines() if line.startswith("| `")]
    matches = [LINE.match(line) for line in lines]
    assert None not in matches, [line for line, match in zip(lines, matches, strict=True) if match is None]
    found = {match["path"]: (match["state"], match["why"]) for match in matches if match is not None}
    assert len(found) == len(lines), "an endpoint is listed twice"
    return found


def test_every_route_is_listed_as_served_and_nothing_else_is() -> None:
    served = {path for path, (state, _why) in listed().items() if state in SERVED}
    assert {route.path for route in ROUTES} == served


def test_states_are_known_and_differences_have_their_reason() -> None:
    found = listed()
    assert len(found) > 150
    assert {state for state, _why in found.values()} == STATES
    assert [path for path, (state, why) in found.items() if state in ("different", "not yet", "ours") and not why] == []
