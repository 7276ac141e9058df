"""What a file of the DGFiP is, and which transaction an acquit answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.naming import is_ocre
from tdt.domain.helios.stream import DocumentReader, PesUnreadable, Scan
from tdt.domain.ids import AuthorityId, HeliosId

# By local name in lower case, whatever the namespace: the names of 2008 differ by case and their namespace has a typo.
_KINDS = {
    "pes_acquit": ReturnKind.ACQUIT,
    "pes_nonacquit": ReturnKind.NON_ACQUIT,
    "pes_retour": ReturnKind.RETOUR,
}


class ReturnReader:
    """Feed the bytes of a received file as they come, then close. Never raises: an unreadable file is UNKNOWN."""

    def __init__(self) -> None:
        self._document = DocumentReader()
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
                return _read(self._document.close())
            except PesUnreadable as error:
                self.fault = error.reason
        return DgfipReturn(ReturnKind.UNKNOWN)


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


def acquit_matches(acquit: DgfipReturn, candidates: Sequence[Candidate]) -> Candidate | None:
    """The transaction that this acquit answers; None without candidate, or between several collectivités."""
    left = [one for one in candidates if one.nomfic == acquit.nomfic and acquit.cod_col in (None, one.cod_col)]
    for told, read in (
        (acquit.id_post, lambda one: one.id_post),
        (acquit.id_coll, lambda one: one.id_coll),
        (acquit.cod_bud, lambda one: one.cod_bud),
        (HeliosStatus.TRANSMIS, lambda one: one.status),
    ):
        left = _narrow(left, told, read)
    if len({one.authority_id for one in left}) != 1:
        return None
    return max(left, key=lambda one: (one.submitted_at, one.id))


def _narrow(candidates: list[Candidate], told: object, read: Callable[[Candidate], object]) -> list[Candidate]:
    """Those that agree with what the acquit tells; all of them when it tells nothing, or nothing that any has."""
    if told is None or len(candidates) < 2:
        return candidates
    return [one for one in candidates if read(one) == told] or candidates


def _read(scan: Scan) -> DgfipReturn:
    value = scan.values.get
    return DgfipReturn(
        kind=_KINDS.get(scan.root.lower(), ReturnKind.UNKNOWN),
        nomfic=value("nomfic"),
        cod_col=value("cod_col"),
        cod_bud=value("cod_bud"),
        id_post=value("id_post"),
        id_coll=value("id_coll"),
        has_acquit="ACQUIT" in scan.children,
        typ_fic=value("typ_fic"),
    )
