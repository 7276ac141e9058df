"""A client that sends exact bytes over TLS and keeps the exact bytes of the answer."""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tdt.sandbox.pki import Pki

BOUNDARY = "----------------------------7a1f0c9be2d4"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: names of headers in lower case, the body without its transfer coding."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    interim: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file part."""

    filename: str
    data: bytes
    content_type: str = "application/octet-stream"


Parts = list[tuple[str, str | bytes | File]]


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks with the certificate of one account of the sandbox's PKI."""

    port: int
    pki: Pki
    account: str
    login: str = ""
    password: str = ""

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.send(self.head("GET", path, headers or {}))

    async def post(self, path: str, parts: Parts, quoted: bool = True) -> Answer:
        """A multipart POST; unquoted is Pastell's hand-made dialect."""
        body = multipart(parts, quoted)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
        return await self.send(self.head("POST", path, headers) + body)

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers)]
        if self.login:
            credentials = base64.b64encode(f"{self.login}:{self.password}".encode()).decode()
            lines.append(f"Authorization: Basic {credentials}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def send(self, request: bytes) -> Answer:
        """One request on a new connection."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            return await read_answer(reader)
        finally:
            await close(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        pair = self.pki.client(self.account)
        context = ssl.create_default_context(cafile=str(self.pki.root))
        context.load_cert_chain(pair.cert, pair.key)
        return await asyncio.open_connection("localhost", self.port, ssl=context)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The final answer; interim ones (100) are only counted."""
    interim: list[int] = []
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8").split("\r\n")
        status = int(head[0].split(" ")[1])
        if status >= 200:
            break
        interim.append(status)
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Answer(status, headers, await _read_body(reader, headers), tuple(interim))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()  # the end of the trailers, which nobody sends
    return body


def multipart(parts: Parts, quoted: bool = True) -> bytes:
    """Both dialects: libcurl's quoted names, Pastell's unquoted ones; text is ISO-8859-1 as clients send it."""
    quote = '"' if quoted else ""
    body = b""
    for name, value in parts:
        header = f"Content-Disposition: form-data; name={quote}{name}{quote}"
        if isinstance(value, File):
            header += f'; filename="{value.filename}"\r\nContent-Type: {value.content_type}'
            data = value.data
        else:
            data = value if isinstance(value, bytes) else value.encode("latin-1")
        body += f"--{BOUNDARY}\r\n{header}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()
