"""What a file of the DGFiP is, and which transaction an acquit answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.domain.helios.answers import KINDS, AnswerReader
from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.naming import is_ocre
from tdt.domain.helios.stream import DocumentReader, PesUnreadable, Scan
from tdt.domain.helios.survey import MAX_TOLD, Survey
from tdt.domain.ids import AuthorityId, HeliosId


class ReturnReader:
    """Feed the bytes of a received file as they come, then close. Never raises: an unreadable file is UNKNOWN."""

    def __init__(self) -> None:
        self._answer = AnswerReader()
        self._survey = Survey(self._answer)
        self._document = DocumentReader(self._survey)
        self.fault = ""
        """Why the file could not be read; empty when it could."""

    def feed(self, chunk: bytes) -> None:
        """Once a fault is found the rest is ignored."""
        if self.fault:
            return
        try:
            self._document.feed(chunk)
        except PesUnreadable as error:
            self.fault = error.reason

    def close(self) -> DgfipReturn:
        """What the file says, as far as routing needs, without schema: real acquits of rejected flows break it."""
        if not self.fault:
            try:
                return _read(self._document.close(), self._answer)
            except PesUnreadable as error:
                self.fault = error.reason
        return DgfipReturn(ReturnKind.UNKNOWN)

    @property
    def said(self) -> Mapping[str, object]:
        """What an operator is shown of it, whole or not: bounded, whatever the file."""
        return {**self._survey.tell(), **({"fault": self.fault[:MAX_TOLD]} if self.fault else {})}


def read_name(name: str) -> ReturnKind | None:
    """What the name of a received file tells by itself: an OCRE, or nothing."""
    return ReturnKind.OCRE if is_ocre(name) else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transaction that an acquit may answer: one that was handed to the DGFiP, or may have been."""

    id: HeliosId
    authority_id: AuthorityId
    nomfic: str
    cod_col: str | None
    cod_bud: str | None
    id_post: str | None
    id_coll: str | None
    status: HeliosStatus
    submitted_at: datetime


WAITING = frozenset(
    {HeliosStatus.POSTE, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, HeliosStatus.TRANSMIS, HeliosStatus.ERREUR}
)
"""What handed over waits for an answer: sent, sent and not yet noted so, put in error or posted again by hand since."""


def acquit_matches(acquit: DgfipReturn, candidates: Sequence[Candidate]) -> Candidate | None:
    """The transaction that this acquit answers; None without candidate, or when it may be another collectivité's.

    Of those of its NomFic (and CodCol, when it tells one) the best by IdPost, then IdColl, then CodBud; within one
    collectivité, then those that wait for an answer. One of a collectivité is given only if no candidate of another one
    agrees as well, or better on anything: it may be a second answer of hers, and what contradicts itself is for the
    operator.
    """
    known = [one for one in candidates if one.nomfic == acquit.nomfic and acquit.cod_col in (None, one.cod_col)]
    if not known:
        return None
    agreements = {one.id: _agreement(acquit, one) for one in known}
    best = max(agreements.values())
    left = [one for one in known if agreements[one.id] == best]
    authorities = {one.authority_id for one in left}
    if len(authorities) > 1 or any(
        one.authority_id not in authorities and not _is_below(agreements[one.id], best) for one in known
    ):
        return None
    left = [one for one in left if one.status in WAITING] or left
    left = [one for one in left if one.status is HeliosStatus.TRANSMIS] or left
    return max(left, key=lambda one: (one.submitted_at, one.id))


def _agreement(acquit: DgfipReturn, one: Candidate) -> tuple[int, ...]:
    """For each value that the acquit may tell, in their order: the same (1), another (-1), or nothing to compare."""
    pairs = ((acquit.id_post, one.id_post), (acquit.id_coll, one.id_coll), (acquit.cod_bud, one.cod_bud))
    return tuple(0 if None in pair else 1 if pair[0] == pair[1] else -1 for pair in pairs)


def _is_below(agreement: tuple[int, ...], best: tuple[int, ...]) -> bool:
    return all(one <= other for one, other in zip(agreement, best, strict=True))


def _read(scan: Scan, answer: AnswerReader) -> DgfipReturn:
    value = scan.values.get
    return DgfipReturn(
        kind=KINDS.get(scan.root.lower(), ReturnKind.UNKNOWN),
        nomfic=value("nomfic"),
        cod_col=value("cod_col"),
        cod_bud=value("cod_bud"),
        id_post=value("id_post"),
        id_coll=value("id_coll"),
        has_acquit="ACQUIT" in scan.children,
        typ_fic=value("typ_fic"),
        content=answer.close(),
    )
