"""The answer shapes of S2LOW: text, printed text, JSON, redirection and the XML of HELIOS, to the byte."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from tdt.domain.text import escape_html, to_ascii_html, to_ascii_xml, to_latin1, to_latin1_xml

HTML = "text/html; charset=utf-8"
"""PHP's default header, sent even though the body is ISO-8859-1: no client believes it."""

FILE_HEADERS: Mapping[str, str] = {
    "Expires": "0",
    "Cache-Control": "must-revalidate, post-check=0,pre-check=0",
    "Pragma": "public",
}


class Shape(StrEnum):
    """How an endpoint tells a refusal."""

    REPLY = "reply"
    """S2LOW's returnAndExit: `KO` and the escaped message with api=1, else a redirection."""
    SPOKEN = "spoken"
    """The same, but `KO : ` and the message, in UTF-8, when `api` is in the URL and not in the form."""
    PRINTED = "printed"
    """`KO` and the message as it is, without a final newline, whatever `api` says."""
    BROWSER = "browser"
    """A redirection and an empty body, even with api=1."""
    JSON = "json"
    """A JSON object with `api`, else a redirection."""
    IMPORT = "import"
    """The XML document `import` of a PES deposit."""
    STATUS = "status"
    """The XML document `transaction` of a PES status."""
    LISTE = "liste"
    """The XML document `liste` of the PES_Retour that were not read."""
    GET_RETOUR = "get_retour"
    """The XML document `get_retour` in place of a PES_Retour, as an attachment."""
    READ = "read"
    """The XML document `transaction` of a PES_Retour that becomes read."""
    SYMFONY = "symfony"
    """A JSON object with the key `error`, HTTP 400."""
    RETURN = "return"
    """A redirection to `url_return` of the URL, its placeholders filled with the refusal."""
    RETURN_AS_IS = "return as is"
    """The same, `url_return` being left as it is."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal needs whatever its shape: its text, where a browser is sent, how the client asked."""

    message: str
    location: str
    api: bool
    spoken: bool = False
    """Whether `api` is in the URL alone."""
    subject: int = 0
    """The transaction asked for, repeated in the XML of a PES status."""
    asked: str = ""
    """The parameter `id` as it was written, repeated in the XML about a PES_Retour."""


def refuse(shape: Shape, refusal: Refusal) -> web.Response:
    """The refusal in the shape of the endpoint, HTTP 200 or 302 as S2LOW does."""
    match shape:
        case Shape.PRINTED:
            return printed(refusal.message)
        case Shape.IMPORT:
            return import_answer(None, refusal.message)
        case Shape.STATUS:
            return status_answer(refusal.subject, None, refusal.message)
        case Shape.LISTE | Shape.GET_RETOUR | Shape.READ:
            return _refuse_retour(shape, refusal.message, refusal.asked)
        case Shape.SYMFONY:
            return symfony_json({"error": refusal.message}, 400)
        case Shape.JSON if refusal.api:
            return json_answer({"status": "error", "error-message": refusal.message}, "text/plain")
        case Shape.SPOKEN if refusal.spoken:
            return spoken(f"KO : {refusal.message}")
        case Shape.REPLY | Shape.SPOKEN if refusal.api:
            return text(b"KO\n" + to_latin1(escape_html(refusal.message)) + b"\n")
    return redirect(refusal.location)


def failure(shape: Shape, message: str, status: int, subject: int = 0, asked: str = "") -> web.Response:
    """A failure of ours in the shape of the endpoint, with its true HTTP status."""
    match shape:
        case Shape.IMPORT:
            response = import_answer(None, message)
        case Shape.STATUS:
            response = status_answer(subject, None, message)
        case Shape.LISTE | Shape.GET_RETOUR | Shape.READ:
            response = _refuse_retour(shape, message, asked)
        case Shape.JSON:
            response = json_answer({"status": "error", "error-message": message}, "text/plain")
        case Shape.SYMFONY:
            response = symfony_json({"error": message})
        case _:
            response = text(b"KO\n" + to_latin1(message) + b"\n")
    response.set_status(status)
    return response


def text(body: bytes) -> web.Response:
    """A text answer; the caller has chosen every byte."""
    return web.Response(body=body, headers={"Content-Type": HTML})


def printed(message: str) -> web.Response:
    """The refusal of the scripts that print by themselves.

    ISO-8859-1: clients decode every text answer from it, whatever the version of S2LOW that they know.
    """
    return text(b"KO\n" + to_latin1(message))


def spoken(message: str) -> web.Response:
    """An answer of reponse_create.php to whoever says `api` in the URL: one line of plain text, in UTF-8."""
    return web.Response(body=message.encode("utf-8"), headers={"Content-Type": "text/plain; charset=utf-8"})


def created(number: int, api: bool, location: str) -> web.Response:
    """A transaction was created: its number alone on the second line, then an empty one; a browser is sent on."""
    return text(f"OK\n{number}\n\n".encode("ascii")) if api else redirect(location)


def replied(message: str, api: bool, location: str) -> web.Response:
    """S2LOW's returnAndExit after a success: the message with api=1; a browser is sent on."""
    return text(b"OK\n" + to_latin1(escape_html(message)) + b"\n") if api else redirect(location)


def redirect(location: str) -> web.Response:
    """302 and nothing else."""
    return web.Response(status=302, headers={"Location": location, "Content-Type": HTML})


def unauthorized() -> web.Response:
    """The 401 of get-nounce.php, for a client that sends no login and password."""
    answer = text(b"La fonction n'est utilisable qu'avec un login+mot de passe HTTP")
    answer.set_status(401)
    answer.headers["WWW-Authenticate"] = 'Basic realm="API S2low"'
    return answer


def json_answer(value: object, content_type: str = HTML, pretty: bool = False) -> web.Response:
    """JSON as PHP writes it: pure ASCII, `/` escaped, no spaces (or four to indent)."""
    encoded = json.dumps(value, indent=4) if pretty else json.dumps(value, separators=(",", ":"))
    # a slash can only stand inside a string
    return web.Response(body=encoded.replace("/", "\\/").encode("ascii"), headers={"Content-Type": content_type})


SYMFONY_ESCAPES = {ord(character): f"\\u{ord(character):04X}" for character in "<>'&"} | {ord("/"): "\\/"}


def symfony_json(value: object, status: int = 200) -> web.Response:
    """JSON as Symfony's JsonResponse writes it: ASCII, what HTML knows escaped, `application/json`."""
    encoded = json.dumps(value, separators=(",", ":")).replace('\\"', "\\u0022").translate(SYMFONY_ESCAPES)
    return web.Response(body=encoded.encode("ascii"), status=status, headers={"Content-Type": "application/json"})


def import_answer(number: int | None, message: str) -> web.Response:
    """The answer to a PES deposit: ASCII with references and no encoding in its declaration.

    Clients re-encode the bytes before they parse them: only ASCII survives (Pastell, all versions).
    """
    identifier = b"<id/>" if number is None else b"<id>%d</id>" % number
    result = b"KO" if number is None else b"OK"
    body = b'<?xml version="1.0"?>\n<import>\n  %b\n  <resultat>%b</resultat>\n  <message>%b</message>\n</import>\n' % (
        identifier,
        result,
        to_ascii_xml(message),
    )
    return web.Response(body=body, headers={"Content-Type": "text/xml", **attachment("import.xml")})


def status_answer(number: int, status: int | None, message: str) -> web.Response:
    """The status of a PES, in the exact layout of S2LOW's template.

    A success is true ISO-8859-1 under its declaration. A refusal is ASCII without encoding, for clients re-encode it
    before they parse it, once only (Pastell, all versions).
    """
    if status is None:
        declaration, text, result, value = b"", to_ascii_html(message), b"KO", b""
    else:
        declaration, text = b' encoding="ISO-8859-1"', to_latin1_xml(message)
        result, value = b"OK", b"%d" % status
    body = (
        b'<?xml version="1.0"%b?>\n<transaction >\n'
        b"        <id>%d</id><resultat>%b</resultat><message>%b</message><status>%b</status></transaction>\n"
        b"            " % (declaration, number, result, text, value)
    )
    return web.Response(body=body, headers={"Content-Type": "text/xml"})


@dataclass(frozen=True, slots=True)
class ListedRetour:
    """A PES_Retour of a list; `date` as PostgreSQL writes it."""

    id: int
    name: str
    date: str


def retour_list(authority: int, asked_at: str, retours: Sequence[ListedRetour]) -> web.Response:
    """The PES_Retour that were not read; `resultat` is empty, as in S2LOW."""
    lines = "".join(
        f"  <pes_retour>\n    <id>{one.id}</id>\n    <nom>{_xml(one.name)}</nom>\n    <date>{one.date}</date>\n"
        "  </pes_retour>\n"
        for one in retours
    )
    head = (
        f"  <idColl>{authority or ''}</idColl>\n  <resultat/>\n  <message>{_xml('liste réussi')}</message>\n"
        f"  <dateDemande>{asked_at}</dateDemande>\n"
    )
    return _xml_document("liste", head + lines)


def retour_read(asked: str) -> web.Response:
    """A PES_Retour is read from now on."""
    return _about_retour("transaction", "idRetour", asked, ("OK", "Le status a été modifié"))


def _refuse_retour(shape: Shape, message: str, asked: str) -> web.Response:
    if shape is Shape.LISTE:
        return _xml_document("liste", f"  <resultat>KO</resultat>\n  <message>{_xml(message)}</message>\n")
    if shape is Shape.READ:
        return _about_retour("transaction", "idRetour", asked, ("KO", message))
    response = _about_retour("get_retour", "id", asked, ("KO", message))
    response.headers.update(attachment("retour.xml"))
    return response


def _about_retour(root: str, name: str, asked: str, result: tuple[str, str]) -> web.Response:
    number = f"<{name}>{_xml(asked)}</{name}>" if asked else f"<{name}/>"
    lines = (number, f"<resultat>{result[0]}</resultat>", f"<message>{_xml(result[1])}</message>")
    return _xml_document(root, "".join(f"  {line}\n" for line in lines))


def _xml_document(root: str, content: str) -> web.Response:
    """ASCII with references and no encoding in its declaration, as for `import_answer`."""
    body = f'<?xml version="1.0"?>\n<{root}>\n{content}</{root}>\n'.encode("ascii")
    return web.Response(body=body, headers={"Content-Type": "text/xml"})


def _xml(text: str) -> str:
    return to_ascii_xml(text).decode("ascii")


def attachment(filename: str) -> dict[str, str]:
    """The headers of a file sent to the client; a name cannot break out of its quotes nor of its line."""
    return {"Content-Disposition": f'attachment; filename="{safe_filename(filename)}"', **FILE_HEADERS}


def safe_filename(filename: str) -> str:
    """The name without what would end its quotes or its line."""
    return "".join(character for character in filename if character >= " " and character not in '"\x7f')
