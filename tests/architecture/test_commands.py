"""Every `tdt …` that a page, an example or a message tells to type exists, with its options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tdt.cli import main
from tests.architecture.sources import ROOT, modules
from tests.architecture.test_docs import PAGES

FILES = sorted(path for folder in ("conf", "systemd") for path in (ROOT / folder).iterdir() if path.is_file())
QUOTED = re.compile(r"`(?:[\w/.]*/)?tdt ([^`]+)`|« ?tdt ([^»]+)»")
TYPED = re.compile(r"(?m)^(?:[A-Z_]+=\S+ )*(?:/[\w/.]*/)?tdt ((?:[a-z].*\\\n)*[a-z].*)$")
"""In a block of code, where a line goes on after a backslash."""
HISTORY = ROOT / "CHANGELOG.md"
"""Names commands as they were."""
BLOCK = re.compile(r"(?ms)^```\w*$(.*?)^```$")
OPTION = re.compile(r"--[a-z][a-z0-9-]*")
WORD = re.compile(r"[a-z][a-z0-9-]*")


def fault(typed: str) -> str | None:
    """What does not exist of a command told without its first word."""
    command: click.Command = main
    words, path = typed.replace("\\\n", " ").split("#")[0].split(), "tdt"
    while isinstance(command, click.Group) and words and (name := WORD.match(words[0])) is not None:
        found = command.get_command(click.Context(command), name[0])
        if found is None:
            return f"{path} {name[0]}"
        command, path, words = found, f"{path} {name[0]}", words[1:]
        if "|" in words:  # `show 1 | other`: what comes after is another command
            words = words[: words.index("|")]
    known = {"--help", "--version"}
    for parameter in command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    told = [match[0] for word in words if (match := OPTION.match(word.lstrip("[("))) is not None]
    return next((f"{path} {option}" for option in told if option not in known), None)


def quoted(text: str) -> Iterator[str]:
    yield from (one or other for one, other in QUOTED.findall(text))


def of_page(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    yield from quoted(BLOCK.sub("", text))
    for block in BLOCK.findall(text):
        yield from TYPED.findall(block)


def of_source(path: Path) -> Iterator[str]:
    """Commands in the messages of a module: quoted, or the whole text as the remedies of `tdt status`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from quoted(node.value)
            if node.value.startswith("tdt "):
                yield node.value.removeprefix("tdt ")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != HISTORY], ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_of_the_pages_exist(page: Path) -> None:
    assert [missing for typed in of_page(page) if (missing := fault(typed)) is not None] == []


def test_commands_of_the_examples_exist() -> None:
    told = [(path.name, typed) for path in FILES for typed in quoted(path.read_text(encoding="utf-8"))]
    assert len(told) > 5
    assert [(name, missing) for name, typed in told if (missing := fault(typed)) is not None] == []


def test_commands_of_the_messages_exist() -> None:
    told = [(path.name, typed) for path in modules("tdt") for typed in of_source(path)]
    assert len(told) > 50
    assert [(name, missing) for name, typed in told if (missing := fault(typed)) is not None] == []


def test_what_does_not_exist_is_seen() -> None:
    assert fault("admin sirets proposals list --all") is None
    assert fault("admin sirets lst") == "tdt admin sirets lst"
    assert fault("flow actes:12 --jsn") == "tdt flow --jsn"
