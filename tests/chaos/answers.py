"""What the State answered against what we applied, in both directions: AR, acquits, PES_Retour."""

import hashlib
import re
from collections.abc import Iterator, Mapping

from tests.chaos.evidence import Evidence, Return, Transaction
from tests.chaos.odd import STRANGER_SIRET
from tests.chaos.verification import ACTE_DONE, ERROR, LOST, WRONG, Case, Finding

ACQUIT = re.compile(r"-ACK-(\d{8})\.xml")


def compare_answers(case: Case, retours: Mapping[str, str]) -> Iterator[Finding]:
    """Every difference; `retours` are the names of the PES_Retour that the State was asked for, each with its SIRET."""
    yield from _compare_ars(case.seen)
    yield from _compare_acquits(case.seen)
    yield from _compare_retours(case.seen, retours)


def _compare_ars(seen: Evidence) -> Iterator[Finding]:
    acts = [one for one in seen.transactions.values() if one.kind == "acte" and one.type == 1 and not one.received]
    by_id = {one.unique_id: one for one in acts}
    emitted = seen.emitted
    for act in sorted(emitted.acts | set(emitted.ars)):
        one = by_id.get(act)
        if one is None:
            yield Finding(LOST, act, "acknowledged by the préfecture, and no act of ours")
        elif one.answer is None and not _was_refused_first(seen, one):
            yield Finding(LOST, act, f"its AR left the préfecture and was not applied: status {one.status}")
    for one in acts:
        if one.status == ACTE_DONE and one.answer is None:
            yield Finding(WRONG, one.unique_id, "acknowledged without an AR")
        if one.answer is None:
            continue
        digest = hashlib.sha256(seen.answers.get(one.answer, b"")).hexdigest()
        if digest not in emitted.ars.get(one.unique_id, ()):
            yield Finding(WRONG, one.unique_id, "the AR that was applied is none that the préfecture sent for it")
        elif one.unique_id not in emitted.acts:
            yield Finding(WRONG, one.unique_id, "an AR was applied, and the préfecture knows of no such act")


def _was_refused_first(seen: Evidence, one: Transaction) -> bool:
    """Received twice, it was refused, then acknowledged: the AR waits for the operator."""
    told = f"AR pour l'acte {one.number}, qui est à l'état {ERROR}."
    return one.status == ERROR and any(
        received.route == "actes" and received.state == "set_aside" and received.detail.startswith(told)
        for received in seen.returns
    )


def _compare_acquits(seen: Evidence) -> Iterator[Finding]:
    by_name = {one.name: one for one in seen.returns if one.route == "helios" and ACQUIT.search(one.name)}
    came = {_serial(name) for name in by_name}
    for number in sorted(set(range(1, seen.emitted.acquits + 1)) - came):
        yield Finding(LOST, f"acquit {number:08d}", "left by the DGFiP, and never received")
    for one in by_name.values():
        yield from _fault_of_acquit(seen, one)
    for flow in seen.transactions.values():
        if flow.kind != "pes" or flow.answer is None:
            continue
        given = by_name.get(flow.answer_name)
        if given is None or given.state != "handled" or given.flow != flow.number:
            yield Finding(WRONG, flow.label, f"its acquit, {flow.answer_name}, was not received for it")


def _fault_of_acquit(seen: Evidence, one: Return) -> Iterator[Finding]:
    if _serial(one.name) not in range(1, seen.emitted.acquits + 1):
        yield Finding(WRONG, one.name, "received, and the DGFiP sent none of this number")
    if one.state not in ("handled", "ignored"):
        return  # explained or not, it waits for the operator
    flow = seen.transactions.get(("pes", one.flow or 0))
    if flow is None or flow.answer is None:
        yield Finding(LOST, one.name, f"{one.state}, and no flow has it")
    elif one.state == "handled" and one.detail != flow.label:
        yield Finding(WRONG, one.name, f"the acquit of {one.detail} was given to {flow.label}")


def _serial(name: str) -> int:
    found = ACQUIT.search(name)
    assert found is not None
    return int(found[1])


def _compare_retours(seen: Evidence, retours: Mapping[str, str]) -> Iterator[Finding]:
    by_name = {one.name: one for one in seen.returns if one.route == "helios"}
    for name, siret in retours.items():
        one = by_name.get(name)
        if one is None:
            yield Finding(LOST, name, "left by the DGFiP, and never received")
        elif siret == STRANGER_SIRET:
            if one.authority is not None:
                yield Finding(WRONG, name, f"it is nobody's, and was given to {seen.sirens[one.authority]}")
        elif one.authority is None:
            yield Finding(LOST, name, f"of {siret}, and given to nobody: {one.state} {one.code}")
        elif seen.sirens[one.authority] != siret[:9]:
            yield Finding(WRONG, name, f"of {siret}, and given to {seen.sirens[one.authority]}")
