"""The HTTPS door of the préfecture: who may post, what a request must hold, and the ways in which a door can fail."""

import base64
import binascii
import re

import multipart
from aiohttp import web
from cryptography import x509

from tdt.simulators.journal import BodyWriter

BODY_LIMIT = 512 * 1024 * 1024
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,149}")


async def read_file_part(request: web.Request, writer: BodyWriter) -> str:
    """Stream the first part that has a file name, and give that name; fields and further files are ignored."""
    kind, options = multipart.parse_options_header(request.headers.get("Content-Type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise web.HTTPBadRequest(text="multipart/form-data attendu\n")
    name: str | None = None
    writing = False
    try:
        with multipart.PushMultipartParser(options["boundary"], max_segment_count=20) as parser:
            async for chunk in request.content.iter_any():
                for event in parser.parse(chunk):
                    if isinstance(event, multipart.MultipartSegment):
                        writing = name is None and event.filename is not None
                        name = event.filename if writing else name
                    elif event and writing:
                        writer.write(event)
                if writer.size > BODY_LIMIT:
                    raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, writer.size)
    except multipart.MultipartError as error:
        raise web.HTTPBadRequest(text=f"corps illisible : {error}\n") from error
    if name is None or not FILE_NAME.fullmatch(name):
        raise web.HTTPBadRequest(text="nom de fichier absent ou refusé\n")
    return name


def origin(request: web.Request) -> dict[str, str]:
    """Where a reception came from: its address and the subject of its certificate."""
    ssl_object = request.transport.get_extra_info("ssl_object") if request.transport else None
    der = ssl_object.getpeercert(binary_form=True) if ssl_object else None
    subject = x509.load_der_x509_certificate(der).subject.rfc4514_string() if der else ""
    return {"remote_address": request.remote or "", "client_subject": subject}


def is_out(request: web.Request, outage: bool | str) -> bool:
    """Whether this address is down: all of them, or those that begin so (the main one, the rescue staying up)."""
    return outage if isinstance(outage, bool) else request.path.startswith(outage)


def outage() -> web.Response:
    """503 before a byte of the body is read: the sender knows that nothing was taken."""
    response = web.Response(status=503, text="panne demandée au simulateur\n")
    response.force_close()
    return response


def is_let_in(request: web.Request, credentials: str | None) -> bool:
    """Whether the request shows this `login:password`, by Basic or by `?user=…&password=…`; None wants nothing."""
    if credentials is None:
        return True
    given = f"{request.query.get('user', '')}:{request.query.get('password', '')}"
    return credentials in (given, _basic(request.headers.get("Authorization", "")))


def stranger() -> web.Response:
    """401 before the body is read."""
    response = web.Response(status=401, text="identifiants absents ou faux\n", headers={"WWW-Authenticate": "Basic"})
    response.force_close()
    return response


def _basic(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
