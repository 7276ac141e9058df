"""The electronic signatures of a flow: every one must hold, its certificate be good when it was made; all is kept."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.helios import HeliosTransaction
from tdt.db.helios_reports import Report
from tdt.deps import Deps
from tdt.documents.signatures import PES_SIGNATURES
from tdt.domain.helios.signatures import (
    REFUSAL,
    PesSignature,
    PesSignatures,
    PesSignaturesOrder,
    find_code,
    find_reason,
    judged_at,
    recorded,
    remarks,
    unsigned_remarks,
)
from tdt.domain.helios.stream import PesUnreadable
from tdt.domain.signatures import Signer
from tdt.flows.helios_send.children import TooMuch, run
from tdt.flows.helios_send.findings import Findings, Reading


@dataclass(frozen=True, slots=True)
class Judged:
    """What the report keeps, and why the flow cannot leave (empty when it can)."""

    data: Mapping[str, object]
    reason: str


async def check_signatures(deps: Deps, flow: HeliosTransaction, reading: Reading) -> Findings:
    """Verify the signatures of a flow that has some. One without any leaves, as with S2LOW."""
    header = reading.header
    if isinstance(header, PesUnreadable) or not header.signed:
        told = unsigned_remarks([] if isinstance(header, PesUnreadable) else header.dematerialised)
        return Findings(Report("signature", "not_applicable", {"signatures": [], "remarks": told}) if told else None)
    try:
        found = await run(deps, flow, "signature", PES_SIGNATURES, PesSignaturesOrder())
    except TooMuch as failure:
        killed = failure.killed
        reason = f"le fichier n'a pas pu être contrôlé après {killed.tries} essais : {killed.reason}"
        data = {**killed.recorded(), "code": "CONTROLE_IMPOSSIBLE"}
        return Findings(Report("signature", "refused", data), REFUSAL + reason)
    judged = await judge(deps, found, deps.now())
    if judged.reason:
        return Findings(Report("signature", "refused", judged.data), REFUSAL + judged.reason)
    return Findings(Report("signature", "passed", judged.data))


async def judge(deps: Deps, found: PesSignatures, at: datetime) -> Judged:
    """Judge each signature at its instant (`at` when it tells none); gives what is kept, and the first reason against.

    Raises Temporary when the authorities cannot be read: that is no verdict.
    """
    if found.fault or not found.found:
        fault = found.fault or "elle ne peut pas être lue"
        told_less = {"signatures": [], "remarks": [], "at": at.isoformat(), "code": "PES_SIGNATURE", "fault": fault}
        return Judged(told_less, fault)
    signers = await asyncio.to_thread(_identify, deps, found, at)
    told = list(zip(found.found, signers, strict=True))
    entries = [recorded(signature, signer, judged_at(signature, at)) for signature, signer in told]
    data: dict[str, object] = {"signatures": entries, "remarks": remarks(found), "at": at.isoformat()}
    for signature, signer in told:
        reason = find_reason(signature, signer)
        if reason:
            return Judged({**data, "code": find_code(signature, signer)}, reason)
    return Judged(data, "")


def _identify(deps: Deps, found: PesSignatures, at: datetime) -> Sequence[Signer]:
    """Whose each is. The certificate of one that does not hold says nothing, and is not asked about."""
    return [_identify_one(deps, found, one, at) for one in found.found]


def _identify_one(deps: Deps, found: PesSignatures, one: PesSignature, at: datetime) -> Signer:
    if one.fault or not one.intact or not one.valid:
        return Signer()
    certificates = [found.certificates[number] for number in one.certificates]
    return deps.pes_signers.identify_at(certificates, deps.now(), judged_at(one, at))
