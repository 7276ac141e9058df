"""The crash rule of transmissions: what to do when an earlier try may have reached the State."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tdt.domain.errors import Permanent, Uncertain
from tdt.domain.routes import Attempt

HELD_UNCERTAIN = "ENVOI_INCERTAIN"
"""Code of a sending in doubt that waits for an operator."""


@dataclass(frozen=True, slots=True)
class Send:
    """Nothing uncertain stands in the way: send."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """A try is uncertain: give its answer the time to come."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """The window is over and the configuration wants an operator to decide."""


Decision = Send | WaitUntil | Hold


def decide(
    attempts: Sequence[Attempt], now: datetime, window: timedelta, on_uncertain: Literal["resend", "hold"]
) -> Decision:
    """Never resend blindly: after an uncertain try, wait for the window, then resend identically or hold."""
    uncertain = [attempt for attempt in attempts if attempt.is_uncertain]
    if not uncertain:
        return Send()
    over = uncertain[-1].started_at + window
    if now < over:
        return WaitUntil(over)
    return Hold() if on_uncertain == "hold" else Send()


def on_uncertain(
    setting: Literal["resend", "hold"], attempts: Sequence[Attempt], released_at: datetime | None
) -> Literal["resend", "hold"]:
    """The setting for what is sent: what an operator has decided about tries made before counts for them."""
    uncertain = [one for one in attempts if one.is_uncertain]
    if released_at is not None and all(one.started_at <= released_at for one in uncertain):
        return "resend"
    return setting


def check_may_send(
    attempts: Sequence[Attempt], now: datetime, window: timedelta, on_uncertain: Literal["resend", "hold"]
) -> None:
    """The decision as a sender takes it. Raises Uncertain (to wait) or Permanent (an operator decides), else sends."""
    match decide(attempts, now, window, on_uncertain):
        case WaitUntil(at):
            raise Uncertain("Une tentative est incertaine.", details={"retry_at": at})
        case Hold():
            raise Permanent("Une tentative est incertaine : un exploitant doit décider.", code=HELD_UNCERTAIN)
        case Send():
            pass
