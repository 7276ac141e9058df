"""A tar.gz that somebody else made, read as a stream: flat regular files with plain names, within limits, or nothing.

Every member goes to the spool under a name of ours: its own name never touches the disk. Whatever is not a regular file
at the top of the archive is refused, not skipped: what would leave must be what was looked at.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from tdt.documents.archive import undivided
from tdt.documents.spool import Spool, SpoolWriter
from tdt.documents.tar_headers import BLOCK, Header, TarFault, read_header, read_records
from tdt.domain.content import Body
from tdt.domain.errors import Refused

GZIP_WINDOW = 31
STEP_BYTES = 1 << 18
"""Unpacked at once: a bomb is stopped this far beyond the limit."""
GZIP_MEMBERS = 100
"""gzip files may be put end to end; nobody needs many."""
EXTENSION_BYTES = 1 << 16
"""Of a long name or of a set of PAX records."""
IN_MEMORY_BYTES = 16 << 20
"""Of the small members together; from there on they go to files."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}", re.ASCII)
"""The names of ACTES need no more than this; it is also all that our own archives can hold."""

NOT_GZIP = "Mauvais format de l'archive (.tar.gz requis)."
NOT_TAR = "Erreur désarchivage archive. Abandon."


class ArchiveFault(Refused):
    """S2LOW's words, then the reason in ours on a line of its own where it has none."""

    code = "ARCHIVE_ILLISIBLE"

    def __init__(self, message: str, reason: str = ""):
        super().__init__(f"{message}\n{reason}" if reason else message)


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """How much an archive may hold, once unpacked, its headers and its padding included."""

    unpacked_bytes: int
    members: int


class EnvelopeReader:
    """Feed it the chunks of one archive, then `end()`; `discard()` when it came to nothing.

    Blocks for the local disk and for the unpacking: for a thread.
    """

    def __init__(self, spool: Spool, limits: ReaderLimits):
        self.members: dict[str, SpoolWriter] = {}
        self._spool, self._limits = spool, limits
        self._gzip = zlib.decompressobj(GZIP_WINDOW)
        self._gzip_members = 1
        self._begun = self._padded = self._ended = False
        self._unpacked = self._held = 0
        self._block = bytearray()
        self._current: SpoolWriter | None = None
        self._extension: bytearray | None = None
        self._kind = ""
        self._left = self._padding = 0
        self._records: dict[str, str] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ArchiveFault."""
        data = chunk
        while data:
            if self._padded:
                # gzip lets zeros follow its last member (a tape filled up)
                if data.strip(b"\0"):
                    raise ArchiveFault(NOT_GZIP)
                return
            data = self._unpack(data)

    def _unpack(self, data: bytes) -> bytes:
        """Unpack a step; gives what is left to unpack."""
        self._begun = True
        try:
            self._take(self._gzip.decompress(data, STEP_BYTES))
        except zlib.error as error:
            raise ArchiveFault(NOT_GZIP) from error
        if not self._gzip.eof:
            return self._gzip.unconsumed_tail
        left = self._gzip.unused_data
        if left.startswith(b"\0"):
            self._padded = True
        elif left:
            self._next_gzip_member()
        return left

    def _next_gzip_member(self) -> None:
        self._gzip_members += 1
        if self._gzip_members > GZIP_MEMBERS:
            raise ArchiveFault(NOT_GZIP)
        self._gzip = zlib.decompressobj(GZIP_WINDOW)

    def end(self) -> None:
        """Check that the archive is whole. Raises ArchiveFault."""
        if not self._begun or not self._gzip.eof:
            raise ArchiveFault(NOT_GZIP)
        if self._left or self._padding or self._block or self._records or self._extension is not None:
            raise ArchiveFault(NOT_TAR)

    def discard(self) -> None:
        """Leave nothing in the spool."""
        for writer in self.members.values():
            writer.discard()

    def _take(self, data: bytes) -> None:
        self._unpacked += len(data)
        if self._unpacked > self._limits.unpacked_bytes:
            limit = self._limits.unpacked_bytes
            raise ArchiveFault(NOT_TAR, f"L'archive dépasse {limit} octets une fois décompressée.")
        view = memoryview(data)
        while view:
            view = self._step(view)

    def _step(self, view: memoryview) -> memoryview:
        """Take what the current member, its padding or the next header still wants."""
        if self._ended:
            if bytes(view).strip(b"\0"):
                raise ArchiveFault(NOT_TAR, "L'archive contient des données après sa fin.")
            return view[:0]
        if self._left:
            return self._content(view)
        if self._padding:
            skipped = min(self._padding, len(view))
            self._padding -= skipped
            return view[skipped:]
        wanted = BLOCK - len(self._block)
        self._block += view[:wanted]
        if len(self._block) == BLOCK:
            block, self._block = bytes(self._block), bytearray()
            self._open(block)
        return view[wanted:]

    def _content(self, view: memoryview) -> memoryview:
        taken = view[: self._left]
        if self._current is not None:
            self._current.write(bytes(taken))
        elif self._extension is not None:
            self._extension += taken
        self._left -= len(taken)
        if not self._left:
            self._close()
        return view[len(taken) :]

    def _open(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            if self._records:
                raise ArchiveFault(NOT_TAR)
            self._ended = True
            return
        try:
            header = read_header(block)
            if header.is_extension:
                self._open_extension(header)
            else:
                self._open_member(header)
        except TarFault as error:
            raise ArchiveFault(NOT_TAR, str(error)) from error

    def _open_extension(self, header: Header) -> None:
        """A long name of GNU tar, or records of PAX: about the member that follows."""
        if header.size > EXTENSION_BYTES:
            raise TarFault("Un en-tête de l'archive est démesuré.")
        self._kind, self._extension = header.kind, bytearray()
        self._begin(header.size)

    def _open_member(self, header: Header) -> None:
        records, self._records = self._records, {}
        name, size = records.get("path", header.name), _size(records, header)
        if header.is_top_folder:
            return
        header.check_regular(name)
        name = name.removeprefix("./")
        if not NAME.fullmatch(name):
            raise TarFault(f"Le nom de fichier {name[:200]!r} n'est pas accepté dans une archive.")
        if name in self.members:
            raise TarFault(f"Le fichier {name} est présent deux fois dans l'archive.")
        if len(self.members) >= self._limits.members:
            raise TarFault(f"L'archive contient plus de {self._limits.members} fichiers.")
        self._current = self.members[name] = self._writer()
        self._begin(size)

    def _writer(self) -> SpoolWriter:
        if self._held > IN_MEMORY_BYTES:
            return SpoolWriter(self._spool.directory, 0)
        return self._spool.writer()

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK
        if not size:
            self._close()

    def _close(self) -> None:
        if self._current is not None:
            self._held += self._current.memory_bytes
            self._current = None
        elif self._extension is not None:
            data, self._extension = bytes(self._extension), None
            try:
                self._records |= read_records(self._kind, data)
            except TarFault as error:
                raise ArchiveFault(NOT_TAR, str(error)) from error


def _size(records: Mapping[str, str], header: Header) -> int:
    text = records.get("size", "")
    if not text:
        return header.size
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise TarFault("")
    return int(text)


async def read_envelope(chunks: AsyncIterator[bytes], spool: Spool, limits: ReaderLimits) -> dict[str, Body]:
    """The files of an archive by name, each durable in the spool. Raises ArchiveFault: nothing is then kept."""
    reader = EnvelopeReader(spool, limits)
    done = False
    try:
        async for chunk in chunks:
            await undivided(asyncio.to_thread(reader.feed, chunk))
        reader.end()
        bodies = {name: await undivided(writer.finish()) for name, writer in reader.members.items()}
        done = True
        return bodies
    finally:
        if not done:
            reader.discard()
