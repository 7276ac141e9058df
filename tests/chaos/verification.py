"""The verdict: nothing lost, nothing sent twice otherwise than it was, nothing given to another, nothing stuck."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.evidence import Evidence, Reception, Sending, Transaction
from tests.chaos.explanations import is_explained, was_stale
from tests.chaos.ledger import Outcome, Told
from tests.chaos.state import LETTER_DONE
from tests.chaos.tenants import TENANTS
from tests.chaos.timeline import Timeline

LOST, TWICE, WRONG, STUCK = "lost", "sent twice otherwise", "acknowledged to the wrong tenant", "stuck"
UNBALANCED, DAMAGED = "out of balance", "not as it was stored"
KINDS = (LOST, TWICE, WRONG, STUCK, UNBALANCED, DAMAGED)
ACTE_DONE, ACTE_SENT, PES_SENT, ERROR = 4, 3, 3, -1
PES_DONE = frozenset({4, 6, 8})
SIREN = {tenant.key: tenant.siren for tenant in TENANTS}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must never be."""

    kind: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is compared."""

    told: Mapping[str, Told]
    seen: Evidence
    timeline: Timeline


def verify(case: Case) -> list[Finding]:
    """Every finding; none when all is well."""
    return [*_find_lost(case), *_find_twice(case), *_find_wrong(case), *_find_stuck(case)]


# ---------------------------------------------------------------------------------------------- lost


def _find_lost(case: Case) -> Iterator[Finding]:
    for key, told in case.told.items():
        if told.outcome is Outcome.OK:
            fault = _fault_of_deposit(case.seen, told)
            if fault:
                yield Finding(LOST, key, fault)
        elif told.outcome is Outcome.KO and not _is_there(case.seen, told):
            # each of them is sound: it may only be refused because an earlier try, left without answer, was kept
            yield Finding(LOST, key, f"refused, and not in the database: {told.texts[-1]!r}")
    by_name = _by_name(case.seen)
    for one in case.seen.transactions.values():
        if _left(one) and (one.kind, one.sent_as) not in by_name:
            yield Finding(LOST, _name(one), f"status {one.status} and nothing of it at the State: {one.sent_as}")


def _fault_of_deposit(seen: Evidence, told: Told) -> str:
    flow = told.flow
    found = seen.transactions.get((flow.kind, told.number))
    if found is None:
        return f"answered OK {told.number} and not in the database"
    if seen.sirens[found.authority] != SIREN[flow.tenant]:
        return f"answered OK {told.number}, which is another's"
    kept = _kept(seen, found)
    sent = [file.sha256 for file in flow.files]
    return "" if kept == sent else f"answered OK {told.number}, and its bytes are others: {kept} for {sent}"


def _is_there(seen: Evidence, told: Told) -> bool:
    flow, sent = told.flow, [file.sha256 for file in told.flow.files]
    of_tenant = (one for one in seen.transactions.values() if seen.sirens[one.authority] == SIREN[flow.tenant])
    return any(_kept(seen, one) == sent for one in of_tenant if one.kind == flow.kind and one.label == flow.key)


def _kept(seen: Evidence, one: Transaction) -> list[str]:
    """The digests of what was deposited: the message that we built comes before the files of an acte."""
    return [seen.digests.get(number, "") for number in one.contents][1 if one.kind == "acte" else 0 :]


def _left(one: Transaction) -> bool:
    """Whether its status says that the State has it."""
    if one.received:
        return False
    return one.status in ((ACTE_SENT, ACTE_DONE) if one.kind == "acte" else (PES_SENT, *PES_DONE))


def _by_name(seen: Evidence) -> dict[tuple[str, str], list[Reception]]:
    found: dict[tuple[str, str], list[Reception]] = defaultdict(list)
    for kind, receptions in seen.receptions.items():
        for reception in receptions:
            found[kind, reception.name].append(reception)
    return found


# ---------------------------------------------------------------------------------------------- twice


def _find_twice(case: Case) -> Iterator[Finding]:
    owners = {(one.kind, one.name): one for one in case.seen.sendings}
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (kind, name), receptions in _by_name(case.seen).items():
        digests = {one.sha256 for one in receptions}
        if len(digests) > 1:
            yield Finding(TWICE, name, f"{len(digests)} contents under this name")
        for digest in digests:
            names[kind, digest].add(name)
        owner = owners.get((kind, name))
        if owner is None:
            yield Finding(TWICE, name, "received, and nothing of ours left under this name")
        else:
            yield from _fault_of_resends(owner, receptions)
    for (_, digest), several in names.items():
        if len(several) > 1:
            yield Finding(TWICE, digest, f"the same bytes under {sorted(several)}")


def _fault_of_resends(owner: Sending, receptions: list[Reception]) -> Iterator[Finding]:
    if receptions[0].sha256 not in {attempt.sha256 for attempt in owner.attempts}:
        yield Finding(TWICE, owner.name, "the State has other bytes than its attempts say")
    if receptions[0].sha256 != owner.sha256:
        yield Finding(TWICE, owner.name, "the State has other bytes than we kept")
    doubtful = sum(one.outcome in (None, "uncertain", "settled") for one in owner.attempts)
    if len(receptions) > 1 + doubtful:
        outcomes = dict(Counter(one.outcome for one in owner.attempts))
        yield Finding(TWICE, owner.name, f"received {len(receptions)} times for the attempts {outcomes}")


# ---------------------------------------------------------------------------------------------- wrong tenant


def _find_wrong(case: Case) -> Iterator[Finding]:
    for one in case.seen.transactions.values():
        if one.answer is None:
            continue
        answer, siren = case.seen.answers.get(one.answer, b"").decode("latin-1"), case.seen.sirens[one.authority]
        if one.kind == "acte" and one.type == 1:
            named = _first(r'IDActe="([^"]*)"', answer)
            if named != one.unique_id or siren not in named:
                yield Finding(WRONG, _name(one), f"its AR is that of {named!r}, not of {one.unique_id}")
        elif one.kind == "pes":
            named, owner = _first(r'<NomFic V="([^"]*)"', answer), _first(r'<IdColl V="(\d{9})', answer)
            if named != one.label or owner not in ("", siren):
                yield Finding(WRONG, _name(one), f"its acquit is that of {named!r}, of {owner}")


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


# ---------------------------------------------------------------------------------------------- stuck


def _find_stuck(case: Case) -> Iterator[Finding]:
    times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for kind, receptions in case.seen.receptions.items():
        for one in receptions:
            times[kind, one.name].append(one.at)
    for transaction in case.seen.transactions.values():
        if not _is_final(case, transaction, times[transaction.kind, transaction.sent_as or ""]):
            attempts = dict(Counter(one.outcome for one in transaction.attempts))
            yield Finding(
                STUCK,
                _name(transaction),
                f"status {transaction.status} ({transaction.last_words[:160]!r}), attempts {attempts}",
            )
    for job in case.seen.jobs:
        yield Finding(STUCK, "job", job)
    for received in case.seen.returns:
        if received.state in ("new", "set_aside") and not is_explained(case.timeline, received):
            yield Finding(
                STUCK,
                f"received {received.name}",
                f"{received.state} {received.kind} {received.code}: {received.detail}",
            )
    if case.seen.unsent_mails:
        yield Finding(STUCK, "mails", f"{case.seen.unsent_mails} not sent")


def _is_final(case: Case, one: Transaction, received: list[datetime]) -> bool:
    timeline = case.timeline
    if one.received:
        return one.status in LETTER_DONE
    if one.kind == "acte":
        if one.status == ACTE_DONE:
            return True
        if one.status == ACTE_SENT:
            return timeline.explains("prefecture", ("answer=silence",), received)
        return one.status == ERROR and (
            timeline.explains("prefecture", ("answer=anomaly", "answer=envelope-anomaly"), received)
            or was_stale(timeline, one.last_words, received)
        )
    if one.status in PES_DONE:
        return True
    return one.status == PES_SENT and timeline.explains("dgfip", ("acquit=never", "acquit=stray"), received)


def _name(one: Transaction) -> str:
    return f"{one.kind} {one.number} ({one.label})"
