"""Read a request body into a form without ever holding it: files go to the spool, limits count bytes received."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from weakref import WeakKeyDictionary

import multipart
from aiohttp import web

from tdt.config import Limits, Server
from tdt.documents.spool import Spool, SpoolWriter
from tdt.domain.errors import Refused
from tdt.domain.text import decode_form
from tdt.web.backlog import Backlog, count_under_way
from tdt.web.forms import MOST_FIELDS, Form, Upload, Values, parse_disposition, parse_urlencoded
from tdt.web.patience import receive

TEXT_FIELDS_AT_MOST = 16
"""All text of one form together stays below this many times the limit of one field."""
DRAIN_SECONDS = 600.0
"""For a body that is read and not kept."""
PREAMBLE_BYTES = 4096
"""What may stand before the first boundary: nothing does with any client that is known."""
AT_ONCE = 2
"""Chunks taken in one turn of the event loop, whatever the number of uploads: the others are left with the kernel, so
that a small request waits for two of them, not for all."""
BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]+)"|([^\s;,]+))""", re.IGNORECASE)


class Fault(StrEnum):
    """Why a body cannot be taken."""

    TOO_LARGE = "too_large"
    TOO_MANY_FILES = "too_many_files"
    TOO_MUCH_TEXT = "too_much_text"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"


class FormFault(Exception):
    """The body cannot be taken; nothing of it is kept."""

    def __init__(self, fault: Fault):
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class FormPlan:
    """What an endpoint expects in a body: files to spool, files to read as text, and what it says of each fault.

    Without messages the endpoint does not care: files are discarded and faults ignored while the body is read.
    """

    spooled: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    max_bytes: int = 0
    max_files: int = 0
    messages: Mapping[Fault, str] = field(default_factory=dict)

    @property
    def careless(self) -> bool:
        return not self.messages


NO_PLAN = FormPlan()
FORM = web.RequestKey("form", Form)
CONTINUED = web.RequestKey("continued", bool)
_turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()
_Sink = SpoolWriter | bytearray | None


class FormReader:
    """Feed it the chunks of one multipart body; then `await finish()` for the form, or `await discard()`.

    `await keep_up()` after each chunk keeps memory flat.
    """

    def __init__(self, boundary: str, plan: FormPlan, limits: Limits, spool: Spool):
        self._plan, self._limits, self._spool = plan, limits, spool
        self._parser = _parser(boundary, limits)
        self._boundary = b"--" + boundary.encode()
        self._preamble: bytes | None = b""
        self._skipped = False
        self._form = Form()
        self._open: list[tuple[str, str, SpoolWriter]] = []
        self._name, self._filename, self._sink = "", None, None  # type: tuple[str, str | None, _Sink]
        self._file_bytes = self._text_bytes = self._files = 0
        self._backlog = Backlog()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises FormFault; the caller then discards."""
        try:
            ready = self._from_the_start(chunk)
            # the library takes an empty chunk for the end
            for event in self._parser.parse(ready) if ready else ():
                if event is None:
                    self._end_part()
                elif isinstance(event, multipart.MultipartSegment):
                    self._begin_part(event)
                else:
                    self._take(bytes(event))
        except multipart.ParserLimitReached as error:
            raise FormFault(Fault.TOO_MUCH_TEXT) from error
        except multipart.MultipartError as error:
            raise FormFault(Fault.MALFORMED) from error

    def _from_the_start(self, chunk: bytes) -> bytes:
        """The library looks at what stands before the first boundary in the chunk at hand: it gets it in one piece."""
        if self._preamble is None:
            return chunk
        self._preamble += chunk
        place = self._preamble.find(self._boundary)
        if place > PREAMBLE_BYTES or (place >= 0 and self._skipped):
            raise FormFault(Fault.MALFORMED)
        part = len(self._boundary) - 1
        if place < 0 and len(self._preamble) > PREAMBLE_BYTES + part:
            # what follows is looked at for a boundary all the same: without any the body is one cut short
            self._skipped, self._preamble = True, self._preamble[-part:]
        if place < 0 or len(self._preamble) < place + len(self._boundary) + len(b"\r\n"):
            return b""
        whole, self._preamble = self._preamble, None
        return whole

    async def keep_up(self) -> None:
        """Let the disk follow what was fed."""
        await self._backlog.keep_up()

    async def finish(self) -> Form:
        """Check that the body was whole and make its files durable."""
        try:
            self._parser.close()
        except multipart.MultipartError as error:
            raise FormFault(Fault.TRUNCATED) from error
        await self._backlog.finish()
        kept = self._surviving()
        for name, filename, writer in self._open:
            if writer in kept:
                self._form.files.add(name, Upload(filename, writer.size, body=await writer.finish()))
            else:
                # a name that was repeated: its place is kept for the count of `name[]`, its bytes are not
                writer.discard()
                self._form.files.add(name, Upload(filename, writer.size))
        return self._form

    def _surviving(self) -> set[SpoolWriter]:
        last: Values[SpoolWriter] = Values()
        for name, _, writer in self._open:
            last.add(name, writer)
        return set(last.all())

    async def discard(self) -> None:
        """Leave nothing on disk."""
        await self._backlog.stop(self._drop)

    def _drop(self) -> None:
        for _, _, writer in self._open:
            writer.discard()

    def partial(self) -> Form:
        """The fields read so far: enough to know in which shape to refuse."""
        return self._form

    def _begin_part(self, segment: multipart.MultipartSegment) -> None:
        self._name, self._filename = parse_disposition(segment.header("Content-Disposition", ""))
        field_name = self._name.partition("[")[0]
        if self._filename is None or field_name in self._plan.texts:
            self._sink = bytearray()
        elif field_name in self._plan.spooled:
            self._sink = self._spool.writer()
            self._open.append((self._name, self._filename, self._sink))
        else:
            self._sink = None
        self._count_file()

    def _count_file(self) -> None:
        self._files += self._filename is not None
        if self._plan.max_files and self._files > self._plan.max_files:
            raise FormFault(Fault.TOO_MANY_FILES)

    def _take(self, data: bytes) -> None:
        if isinstance(self._sink, SpoolWriter):
            self._file_bytes += len(data)
            if self._file_bytes > self._plan.max_bytes:
                raise FormFault(Fault.TOO_LARGE)
            self._backlog.add(self._sink, data)
        elif self._sink is not None:
            self._take_text(self._sink, data)

    def _take_text(self, sink: bytearray, data: bytes) -> None:
        self._text_bytes += len(data)
        limit = self._limits.text_field_bytes
        if len(sink) + len(data) <= limit and self._text_bytes <= TEXT_FIELDS_AT_MOST * limit:
            sink += data
        elif self._plan.careless:
            # forms left over from an earlier call of the client: what does not fit is not wanted either
            self._sink = None
        else:
            raise FormFault(Fault.TOO_MUCH_TEXT)

    def _end_part(self) -> None:
        if isinstance(self._sink, bytearray):
            if self._filename is None:
                self._form.fields.add(self._name, decode_form(bytes(self._sink)))
            else:
                self._form.files.add(self._name, Upload(self._filename, len(self._sink), text=bytes(self._sink)))
        self._sink = None


@dataclass(frozen=True, slots=True)
class BodySource:
    """Where the bodies of a server go, how large they may be, how slow their clients."""

    limits: Limits
    spool: Spool
    server: Server


async def read_form(request: web.Request, plan: FormPlan, source: BodySource) -> Form:
    """Read the whole body. Raises Refused in the endpoint's words when the body cannot be taken."""
    try:
        return await _read(request, plan, source)
    except FormFault as error:
        if plan.careless:
            await _drain_after(error, request, source.server)
            return Form()
        raise Refused(plan.messages[error.fault], details={"fault": str(error.fault)}) from error


async def _read(request: web.Request, plan: FormPlan, source: BodySource) -> Form:
    if not request.can_read_body:
        return Form()
    await accept_body(request)
    if request.content_type == "application/x-www-form-urlencoded":
        request[FORM] = Form(fields=parse_urlencoded(await _read_text(request, plan, source)))
        return request[FORM]
    boundary = BOUNDARY.search(request.headers.get("Content-Type", ""))
    if request.content_type != "multipart/form-data" or boundary is None:
        await _drain(request, source.server)
        return Form()
    reader = FormReader(boundary[1] or boundary[2], plan, source.limits, source.spool)
    # known to the error middleware from now on: a refusal needs the fields already read
    request[FORM] = reader.partial()
    try:
        await _pump(request, reader, source.server)
        return await reader.finish()
    except FormFault as error:
        await reader.discard()
        if not plan.careless:
            raise
        await _drain_after(error, request, source.server)
        return reader.partial()
    except BaseException:
        await reader.discard()
        raise


async def accept_body(request: web.Request) -> None:
    """Say 100 Continue to a client that waits for it: only now is the body wanted."""
    if request.headers.get("Expect", "").lower() == "100-continue" and CONTINUED not in request:
        request[CONTINUED] = True
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _pump(request: web.Request, reader: FormReader, server: Server) -> None:
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    try:
        async for chunk in receive(request, server):
            await _take_chunk(reader, chunk, turns)
    except (web.RequestPayloadError, TimeoutError) as error:
        raise FormFault(Fault.TRUNCATED) from error


async def _take_chunk(reader: FormReader, chunk: bytes, turns: asyncio.Semaphore) -> None:
    if count_under_way() <= AT_ONCE:
        # a turn of the event loop for each chunk would cost it a third of its speed
        reader.feed(chunk)
        await reader.keep_up()
        return
    async with turns:
        reader.feed(chunk)
        await reader.keep_up()
        await asyncio.sleep(0)  # keep the turn until the event loop has seen to everybody


async def _read_text(request: web.Request, plan: FormPlan, source: BodySource) -> bytes:
    kept = bytearray()
    limit = TEXT_FIELDS_AT_MOST * source.limits.text_field_bytes
    try:
        async for chunk in receive(request, source.server):
            if len(kept) + len(chunk) > limit and not plan.careless:
                raise FormFault(Fault.TOO_MUCH_TEXT)
            kept += chunk[: limit - len(kept)]
    except (web.RequestPayloadError, TimeoutError) as error:
        raise FormFault(Fault.TRUNCATED) from error
    if kept.count(b"&") >= MOST_FIELDS and not plan.careless:
        raise FormFault(Fault.TOO_MUCH_TEXT)
    return bytes(kept)


async def _drain_after(error: FormFault, request: web.Request, server: Server) -> None:
    if error.fault is not Fault.TRUNCATED:
        # from a client that has already been silent for too long nothing more is awaited
        await _drain(request, server)


async def _drain(request: web.Request, server: Server) -> None:
    """Let a client end a body that is of no use, so that it reads the answer; for a while."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in receive(request, server):
                pass
    except (web.RequestPayloadError, TimeoutError):
        return


class _Parser(multipart.PushMultipartParser):  # type: ignore[misc]
    """The library refuses a bare line feed in a header where a chunk ends before the line does: here always."""

    def _on_segment_headerline(self, line: bytes) -> None:
        if b"\n" in line:
            raise multipart.ParserError("Invalid line break in segment header")
        super()._on_segment_headerline(line)


def _parser(boundary: str, limits: Limits) -> _Parser:
    try:
        return _Parser(boundary, max_segment_count=limits.parts, max_header_count=16, header_charset="latin1")
    except (multipart.MultipartError, UnicodeEncodeError) as error:
        raise FormFault(Fault.MALFORMED) from error
