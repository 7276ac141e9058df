"""What comes as PES: flows of clients, files of the DGFiP (acquits, PES_Retour)."""

from pathlib import Path

from tdt.domain.helios.encoding import ByteObserver, declared_encoding, find_contradiction, is_announced
from tdt.domain.helios.peek import peek
from tdt.domain.helios.pes import PesReader, PesUnreadable
from tdt.domain.helios.returns import ReturnReader
from tdt.domain.helios.stream import CdataSplitter
from tdt.domain.helios.survey import find_clues
from tests.dgfip_flows import Slip, attachment, attachments, blocks, flow
from tests.fuzz.targets.base import Target, cut

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "helios"
LARGEST_TOLD = 64 << 10


def pes(data: bytes) -> None:
    """However it is cut a flow says the same, or is not one."""
    assert _header([data]) == _header(list(cut(data)))
    is_announced(data)
    find_contradiction(data)
    declared_encoding(data)
    whole, pieces = ByteObserver(), ByteObserver()
    whole.feed(data)
    for chunk in cut(data):
        pieces.feed(chunk)
    assert whole.seen == pieces.seen


def _header(chunks: list[bytes]) -> object:
    reader = PesReader()
    try:
        for chunk in chunks:
            reader.feed(chunk)
        return reader.close(), reader.carried
    except PesUnreadable as error:
        assert len(error.reason) <= 300
        return None


def cdata(data: bytes) -> None:
    """The splitter gives the same text whatever the cuts, but for the sections that it divides."""
    assert _joined([data]) == _joined(list(cut(data)))


def _joined(chunks: list[bytes]) -> bytes | None:
    splitter = CdataSplitter()
    try:
        text = b"".join(splitter.split(chunk) for chunk in chunks) + splitter.rest()
    except PesUnreadable:
        return None
    return text.replace(b"]]><![CDATA[", b"")


def returned(data: bytes) -> None:
    """A file of the DGFiP is read whatever it is: at worst unknown. What an operator is shown of it is bounded."""
    first, second = ReturnReader(), ReturnReader()
    first.feed(data)
    for chunk in cut(data):
        second.feed(chunk)
    read, again = first.close(), second.close()
    assert bool(first.fault) == bool(second.fault)
    assert first.fault or read == again
    said = first.said
    assert len(repr(said)) < LARGEST_TOLD
    find_clues(said, data[:80].decode("latin-1"))
    look = peek(data)
    assert len(look.answers) <= 1 and len(look.owners) <= 1


def _flow_seeds() -> dict[str, bytes]:
    seeds = {path.stem: path.read_bytes() for path in sorted(SAMPLES.glob("aller_*.xml"))}
    seeds["both"] = flow(blocks([Slip(), Slip("13", expense=False)]), attachments(attachment("X1"), attachment("X2")))
    seeds["cdata"] = flow(attachments(attachment("X1", content="<![CDATA[H4sI<]]>"))).replace(b"<PJ>", b"<!-- --><PJ>")
    return seeds


def _return_seeds() -> dict[str, bytes]:
    paths = sorted(SAMPLES.glob("*.xml"))
    return {path.stem: path.read_bytes() for path in paths if not path.stem.startswith("aller")}


TARGETS = [
    Target("pes", pes, _flow_seeds),
    Target("cdata", cdata, lambda: {"both": b"<a><!-- c --><![CDATA[ x ]] > ]]><?pi ?></a>", "open": b"<![CDATA[xyz"}),
    Target("returned", returned, _return_seeds),
]
