"""What a PES flow says of itself, read by one streaming pass over its bytes."""

from tdt.domain.helios.carried import Carried, CarriedReader
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.stream import DocumentReader, PesUnreadable, Scan, ScanTarget

__all__ = ["PesReader", "PesUnreadable"]

NOT_DOMAINS = frozenset({"Enveloppe", "EnTetePES", "Signature"})


class PesReader:
    """Feed the bytes of a flow as they come, then close. Memory stays flat whatever the size of the text nodes."""

    def __init__(self) -> None:
        self._carried = CarriedReader()
        self._document = DocumentReader(ScanTarget(self._carried))

    def feed(self, chunk: bytes) -> None:
        """Raises PesUnreadable as soon as the bytes cannot be a flow, and at every later call."""
        self._document.feed(chunk)

    def close(self) -> PesHeader:
        """The header. Raises PesUnreadable when the document is not well-formed up to its end."""
        return _header(self._document.close())

    def abandon(self) -> None:
        """Read no further."""
        self._document.abandon()

    @property
    def carried(self) -> Carried:
        """The bordereaux read so far, and the numbers of their pièces."""
        return self._carried.close()


def _header(scan: Scan) -> PesHeader:
    value = scan.values.get
    return PesHeader(
        root=scan.root,
        namespace=scan.namespace,
        typ_fic=value("typ_fic"),
        nomfic=value("nomfic"),
        cod_col=value("cod_col"),
        cod_bud=value("cod_bud"),
        id_post=value("id_post"),
        id_coll=value("id_coll"),
        domains=tuple(name for name in scan.children if name not in NOT_DOMAINS),
        signed=scan.signed,
        has_header=scan.header,
        dematerialised=tuple(name for name in scan.children if (value(f"dematerialised:{name}") or "").strip() == "1"),
    )
