"""A plain client of the sandbox's API, as a software of the field is: mutual TLS, one connection for each call."""

import base64
import http.client
import json
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

SECONDS = 60.0

ACTES = "/modules/actes"
HELIOS = "/modules/helios/api"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    field: str
    name: str
    data: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class Client:
    """Whom to ask and as whom. The calls block: a thread for each."""

    port: int
    ca: Path
    cert: Path
    key: Path
    login: str | None = None
    password: str | None = field(default=None, repr=False)

    def get(self, path: str, **query: object) -> bytes:
        """The body of the answer, whatever its status."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None, {})[1]

    def post(self, path: str, fields: Sequence[tuple[str, str]], uploads: Sequence[Upload] = ()) -> bytes:
        """A form with files, as curl sends it; the body of the answer."""
        return self.deposit(path, fields, uploads)[1]

    def deposit(
        self, path: str, fields: Sequence[tuple[str, str]], uploads: Sequence[Upload] = ()
    ) -> tuple[int, bytes]:
        """The same, with the status of the answer: a 503 asks to come back later."""
        boundary = secrets.token_hex(16)
        body = _multipart(boundary, fields, uploads)
        return self._ask("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def _ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.cert, self.key)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=SECONDS, context=context)
        try:
            connection.request(method, target, body, {**headers, **self._authorization()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _authorization(self) -> dict[str, str]:
        if self.login is None:
            return {}
        token = base64.b64encode(f"{self.login}:{self.password}".encode()).decode("ascii")
        return {"Authorization": f"Basic {token}"}


def _multipart(boundary: str, fields: Sequence[tuple[str, str]], uploads: Sequence[Upload]) -> bytes:
    parts: list[bytes] = []
    for name, value in fields:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for upload in uploads:
        head = f'Content-Disposition: form-data; name="{upload.field}"; filename="{upload.name}"'
        parts.append(f"--{boundary}\r\n{head}\r\nContent-Type: {upload.mime}\r\n\r\n".encode())
        parts += [upload.data, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def control_get(base: str, path: str) -> bytes:
    """A GET on the control API of the simulators."""
    host, port = base.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def control_list(base: str, simulator: str) -> list[dict[str, object]]:
    """What a simulator (`prefecture`, `dgfip`) received, in order."""
    found: list[dict[str, object]] = json.loads(control_get(base, f"/{simulator}/received"))
    return found
