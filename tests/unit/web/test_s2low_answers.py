"""The answer shapes, byte by byte."""

from dataclasses import replace

import pytest
from aiohttp import web

from tdt.web.s2low import (
    Refusal,
    Shape,
    attachment,
    created,
    failure,
    import_answer,
    json_answer,
    refuse,
    replied,
    status_answer,
)

ACCESS = Refusal("Accès refusé", "https://tdt.example", api=True)
AUTHENTICATION = Refusal("Échec de l'authentification", "https://tdt.example/connexion-status", api=True)


def body(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def test_creation() -> None:
    answer = created(123, True, "https://tdt.test/modules/actes/")
    assert body(answer) == bytes.fromhex("4F4B0A3132330A0A")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_browser_is_sent_on_after_a_creation() -> None:
    answer = created(123, False, "https://tdt.test/modules/actes/")
    assert (answer.status, answer.headers["Location"]) == (302, "https://tdt.test/modules/actes/")


def test_reply_is_latin1_and_escaped() -> None:
    assert body(refuse(Shape.REPLY, ACCESS)) == b"KO\nAcc\xe8s refus\xe9\n"
    assert body(refuse(Shape.REPLY, AUTHENTICATION)) == b"KO\n\xc9chec de l&#039;authentification\n"


@pytest.mark.parametrize("shape", [Shape.REPLY, Shape.JSON, Shape.BROWSER])
def test_without_api_a_browser_is_redirected(shape: Shape) -> None:
    refusal = Refusal("Accès refusé", "https://tdt.example/modules/actes/", api=False)
    response = refuse(shape, refusal)
    assert (response.status, response.headers["Location"]) == (302, "https://tdt.example/modules/actes/")
    assert not response.body


def test_a_browser_page_redirects_even_with_api() -> None:
    assert refuse(Shape.BROWSER, ACCESS).status == 302


def test_printed_has_no_newline_and_no_escaping() -> None:
    assert body(refuse(Shape.PRINTED, AUTHENTICATION)) == b"KO\n\xc9chec de l'authentification"


def test_json_is_ascii_with_escaped_slashes() -> None:
    assert body(json_answer({"a": "été/hiver", "b": None})) == b'{"a":"\\u00e9t\\u00e9\\/hiver","b":null}'
    assert body(json_answer({"a": {"b": 1}}, pretty=True)) == b'{\n    "a": {\n        "b": 1\n    }\n}'
    refusal = refuse(Shape.JSON, ACCESS)
    assert body(refusal) == b'{"status":"error","error-message":"Acc\\u00e8s refus\\u00e9"}'
    assert refusal.headers["Content-Type"] == "text/plain"


def test_import_answers_are_ascii_without_encoding() -> None:
    assert body(import_answer(42, "Téléchargement du fichier réussi.")) == (
        b'<?xml version="1.0"?>\n<import>\n  <id>42</id>\n  <resultat>OK</resultat>\n'
        b"  <message>T&#xE9;l&#xE9;chargement du fichier r&#xE9;ussi.</message>\n</import>\n"
    )
    refused = refuse(Shape.IMPORT, ACCESS)
    assert body(refused) == (
        b'<?xml version="1.0"?>\n<import>\n  <id/>\n  <resultat>KO</resultat>\n'
        b"  <message>Acc&#xE8;s refus&#xE9;</message>\n</import>\n"
    )
    assert refused.headers["Content-Type"] == "text/xml"
    assert refused.headers["Content-Disposition"] == 'attachment; filename="import.xml"'


def test_status_answers_are_latin1_in_the_layout_of_s2low() -> None:
    assert body(status_answer(42, 8, "Transaction 42 : information à l'heure")) == (
        b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<transaction >\n'
        b"        <id>42</id><resultat>OK</resultat><message>Transaction 42 : information \xe0 l&#039;heure</message>"
        b"<status>8</status></transaction>\n            "
    )
    refusal = Refusal("Accès refusé", "", api=False, subject=7)
    assert body(refuse(Shape.STATUS, refusal)) == (
        b'<?xml version="1.0"?>\n<transaction >\n'
        b"        <id>7</id><resultat>KO</resultat><message>Acc&#xE8;s refus&#xE9;</message>"
        b"<status></status></transaction>\n            "
    )


def test_status_refusals_escape_as_s2low_does() -> None:
    refusal = replace(AUTHENTICATION, subject=7)
    assert b"<message>&#xC9;chec de l&#039;authentification</message>" in body(refuse(Shape.STATUS, refusal))


def test_refusals_about_a_pes_retour() -> None:
    refusal = Refusal("Accès refusé", "", api=False, asked="7<é")
    assert body(refuse(Shape.LISTE, refusal)) == (
        b'<?xml version="1.0"?>\n<liste>\n  <resultat>KO</resultat>\n'
        b"  <message>Acc&#xE8;s refus&#xE9;</message>\n</liste>\n"
    )
    end = b"  <resultat>KO</resultat>\n  <message>Acc&#xE8;s refus&#xE9;</message>\n</%b>\n"
    read = b'<?xml version="1.0"?>\n<transaction>\n  <idRetour>7&lt;&#xE9;</idRetour>\n'
    assert body(refuse(Shape.READ, refusal)) == read + end % b"transaction"
    given = b'<?xml version="1.0"?>\n<get_retour>\n  <id>7&lt;&#xE9;</id>\n' + end % b"get_retour"
    answer = refuse(Shape.GET_RETOUR, refusal)
    assert body(answer) == given
    assert answer.headers["Content-Disposition"] == 'attachment; filename="retour.xml"'
    assert answer.headers["Content-Type"] == "text/xml"
    failed = failure(Shape.GET_RETOUR, "Accès refusé", 503, asked="7<é")
    assert (failed.status, body(failed)) == (503, given)
    assert b"<id/>" in body(refuse(Shape.GET_RETOUR, Refusal("Accès refusé", "", api=False)))


@pytest.mark.parametrize("shape", [Shape.REPLY, Shape.PRINTED, Shape.BROWSER])
def test_a_failure_is_told_in_text_with_its_status(shape: Shape) -> None:
    response = failure(shape, "Service momentanément indisponible, réessayez.", 503)
    assert response.status == 503
    assert body(response) == b"KO\nService momentan\xe9ment indisponible, r\xe9essayez.\n"


def test_a_failure_keeps_the_xml_of_helios() -> None:
    response = failure(Shape.STATUS, "Indisponible", 503, 42)
    assert (response.status, response.headers["Content-Type"]) == (503, "text/xml")
    assert b"<id>42</id><resultat>KO</resultat>" in body(response)
    assert body(failure(Shape.IMPORT, "Indisponible", 503)).startswith(b'<?xml version="1.0"?>\n<import>')


def test_a_file_name_cannot_leave_its_header() -> None:
    headers = attachment('a"b\r\nX: y\x00.pdf')
    assert headers["Content-Disposition"] == 'attachment; filename="abX: y.pdf"'
    assert headers["Cache-Control"] == "must-revalidate, post-check=0,pre-check=0"


def test_symfony_escapes_what_html_knows() -> None:
    refusal = refuse(Shape.SYMFONY, Refusal('L\'<é> & "b" /', "", api=False))
    assert (refusal.status, refusal.headers["Content-Type"]) == (400, "application/json")
    assert body(refusal) == rb'{"error":"L\u0027\u003C\u00e9\u003E \u0026 \u0022b\u0022 \/"}'
    assert failure(Shape.SYMFONY, "Indisponible", 503).status == 503


def test_a_success_is_told_or_sent_on() -> None:
    assert body(replied("L'été", True, "https://tdt.test/")) == b"OK\nL&#039;\xe9t\xe9\n"
    assert replied("L'été", False, "https://tdt.test/").headers["Location"] == "https://tdt.test/"


@pytest.mark.parametrize("shape", [Shape.RETURN, Shape.RETURN_AS_IS])
def test_an_agent_is_sent_back_whatever_api_says(shape: Shape) -> None:
    response = refuse(shape, Refusal("Accès refusé", "https://pastell.example/?error=1", api=True))
    assert (response.status, response.headers["Location"]) == (302, "https://pastell.example/?error=1")
