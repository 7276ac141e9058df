"""What decides a sending in doubt, and when: what an operator reads of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

RUNNING = "en cours : son résultat"
ANSWER = "envoyé de nouveau ou constaté arrivé : la réponse de l'État le prouvera"
GIVEN_UP = "rien n'est plus envoyé : seule une réponse tardive de l'État le prouverait"
OPERATOR = "mis de côté : un exploitant, par « tdt release » (--resend ou --settled)"
PROOF = "la preuve de son arrivée ; sans elle, la fin de la fenêtre"
RESEND = "le renvoi à l'identique, ou la preuve de son arrivée"
HELD = "retenu : il sera renvoyé à l'identique une fois libéré, sauf preuve de son arrivée"
NO_WORK = "aucun travail n'est prévu : un exploitant, par « tdt release »"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known of one: `waiting`: its flow still waits to be sent; `later`: it was sent again since; `work`: the
    state of its job, `run_at` its next try, `error` its last error."""

    started_at: datetime
    ended: bool
    waiting: bool
    transmitted: bool
    later: bool
    work: str | None
    run_at: datetime | None
    error: str


def decided_by(one: Doubt, now: datetime, window: timedelta) -> tuple[str, datetime | None]:
    """What decides it, in French, and when at the latest, if that is known."""
    over = one.started_at + window
    if not one.waiting:
        return (ANSWER if one.transmitted else GIVEN_UP), None
    if one.work == "running" and not one.ended and not one.later:
        return RUNNING, None
    if one.later:
        return ANSWER, None
    if one.work == "dead":
        return OPERATOR, None
    if one.work is None:
        return NO_WORK, None
    if one.error.startswith("CONVENTION_RETENUE"):
        return HELD, None
    return (PROOF, over) if now < over else (RESEND, one.run_at)
