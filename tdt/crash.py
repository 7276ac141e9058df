"""Crash points, for tests only: the named steps between two durable ones, at which a process can be told to die.

`TDT_CRASH_AT=<step>` kills the process with SIGKILL at its first visit of the step, `<step>:N` at its N-th. Each
process counts its own visits; those that inherit the variable obey it too. Without it a step costs one comparison.
"""

import os
import signal
from enum import StrEnum
from typing import NoReturn

VARIABLE = "TDT_CRASH_AT"


class Step(StrEnum):
    """Where a process can die. docs/reliability.md tells what each stands between."""

    BODY_WRITTEN = "body.written"
    BODY_DURABLE = "body.durable"
    DEPOSIT_ACTE = "deposit.acte.before_commit"
    DEPOSIT_ACTE_COMMITTED = "deposit.acte.committed"
    DEPOSIT_PES = "deposit.pes.before_commit"
    DEPOSIT_PES_COMMITTED = "deposit.pes.committed"
    ARCHIVE_COPIED = "archive.copied"
    ARCHIVE_SWITCHED = "archive.switched"
    ARCHIVE_REMOVED = "archive.removed"
    JOB_CLAIMED = "job.claimed"
    JOB_RUN = "job.run"
    ANALYSIS_ACTE_CHECKED = "analysis.acte.checked"
    ANALYSIS_ACTE = "analysis.acte.before_commit"
    ANALYSIS_PES_CHECKED = "analysis.pes.checked"
    ANALYSIS_PES = "analysis.pes.before_commit"
    PACKAGE_BUILT = "package.built"
    PACKAGE = "package.before_commit"
    SEND_ACTE_RECORDED = "send.acte.recorded"
    SEND_ACTE_CONNECTED = "send.acte.connected"
    SEND_ACTE_BYTES_OUT = "send.acte.bytes_out"
    SEND_ACTE_ANSWERED = "send.acte.answered"
    SEND_ACTE_OUTCOME = "send.acte.outcome"
    SEND_PES_RECORDED = "send.pes.recorded"
    SEND_PES_CONNECTED = "send.pes.connected"
    SEND_PES_BYTES_OUT = "send.pes.bytes_out"
    SEND_PES_ANSWERED = "send.pes.answered"
    SEND_PES_OUTCOME = "send.pes.outcome"
    RECEIVE_MAIL_LISTED = "receive.mail.listed"
    RECEIVE_MAIL_FETCHED = "receive.mail.fetched"
    RECEIVE_MAIL = "receive.mail.before_commit"
    RECEIVE_MAIL_STORED = "receive.mail.stored"
    RECEIVE_MAIL_ACKNOWLEDGED = "receive.mail.acknowledged"
    RECEIVE_FILE_LISTED = "receive.file.listed"
    RECEIVE_FILE_FETCHED = "receive.file.fetched"
    RECEIVE_FILE = "receive.file.before_commit"
    RECEIVE_FILE_STORED = "receive.file.stored"
    RECEIVE_FILE_REMOVED = "receive.file.removed"
    INGEST_MAIL = "ingest.mail.before_commit"
    INGEST_MAIL_COMMITTED = "ingest.mail.committed"
    INGEST_FILE = "ingest.file.before_commit"
    INGEST_FILE_COMMITTED = "ingest.file.committed"
    MAIL_ANNOUNCED = "mail.announced"
    MAIL_TAKEN = "mail.taken"
    NOTICE_TAKEN = "notice.taken"
    RELAY_CONFIRMED = "relay.confirmed"
    RELAY_RECORDED = "relay.recorded"


_step, _visit, _visits = "", 1, 0

NOT_ALLOWED = (
    f"{VARIABLE} est réservé aux essais : il tue le processus à l'étape nommée. Retirez cette variable, ou, sur une"
    " plate-forme d'essai, mettez `crash_points = true` dans la section [tests]."
)
UNKNOWN = f"{VARIABLE} = {{}} : étape inconnue ; voir docs/reliability.md."
REAL_ROUTE = (
    "[tests] crash_points = true est refusé ici : une route active va vers l'État lui-même ({}). Ce réglage ne vaut que"
    " si toutes les routes actives sont de test."
)


def find_fault(wanted: str, allowed: bool) -> str:
    """Why a process with this value of the variable must not start; empty when it may."""
    if not wanted:
        return ""
    if not allowed:
        return NOT_ALLOWED
    step, _, visit = wanted.partition(":")
    known = step in tuple(Step) and (not visit or (visit.isascii() and visit.isdigit() and int(visit) > 0))
    return "" if known else UNKNOWN.format(wanted)


def arm(allowed: bool) -> str:
    """Take the wish of the environment, once the configuration is known; gives the fault of one that is refused."""
    global _step, _visit
    wanted = os.environ.get(VARIABLE, "")
    fault = find_fault(wanted, allowed)
    if wanted and not fault:
        step, _, visit = wanted.partition(":")
        _step, _visit = step, int(visit or 1)
    return fault


def reach(step: Step) -> None:
    """Die here, if this is where it was asked for."""
    if _step == step:
        _count(step)


def _count(step: Step) -> None:
    global _visits  # noqa: PLW0603 - one process, one count
    _visits += 1
    if _visits >= _visit:
        _die(step)


def _die(step: Step) -> NoReturn:
    """Nothing is closed, flushed nor told, but one line on stderr."""
    os.write(2, f'{{"event": "crash.reached", "step": "{step}"}}\n'.encode())
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(f"still alive after SIGKILL at {step}")
