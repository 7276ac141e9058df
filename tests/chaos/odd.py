"""What the State sends by itself, sound or not: letters, reminders, PES_Retour, mails and files that are nothing."""

import base64
from collections.abc import Mapping, Sequence
from datetime import date

ACTES = b"http://www.interieur.gouv.fr/ACTES#v1.1-20040216"
STRANGER_ACTE = "034-123456782-20250612-JAMAISENVOYE-DE"
STRANGER_SIRET = "99999999900019"
"""Of nobody here."""
CLASSIFICATION = "/prefecture/classification"
NEWER_CLASSIFICATION = date(2019, 3, 2)
"""By a day than that of the simulator when it starts; far in the past, whatever a clock says."""


def _mail(xml: bytes) -> bytes:
    name = f"{STRANGER_ACTE}-1-2_1.xml".encode()
    return (
        b"From: ne-pas-repondre@prefecture.test\r\nSubject: ACTES - AR\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=frontiere\r\n\r\n"
        b"--frontiere\r\nContent-Type: text/plain\r\n\r\nAR de transmission d'acte\r\n"
        b"--frontiere\r\nContent-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=" + name + b"\r\n\r\n" + base64.encodebytes(xml) + b"\r\n"
        b"--frontiere--\r\n"
    )


AR = (
    b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<a:ARActe xmlns:a="' + ACTES + b'" a:IDActe="'
    + STRANGER_ACTE.encode() + b'" a:DateReception="2025-06-13"/>\n'
)  # fmt: skip
MAILS: Mapping[str, bytes] = {"cut": _mail(AR[:-20]), "stranger": _mail(AR)}
"""For `/prefecture/mail`: an AR that was cut on its way, and one of an act that nobody sent."""

ODD: Sequence[tuple[str, Mapping[str, object]]] = (
    ("/prefecture/letters", {"id_acte": "", "messages": ["2-1"]}),
    ("/prefecture/letters", {"id_acte": "", "messages": ["3-1", "4-1"]}),
    ("/prefecture/letters", {"id_acte": "", "messages": ["5-1"], "date": "2025-06-20"}),
    ("/prefecture/notice", {"kind": "multi-canal", "id_acte": ""}),
    ("/prefecture/notice", {"kind": "junk"}),
    ("/prefecture/mail", {"mail": "cut"}),
    ("/prefecture/mail", {"mail": "stranger"}),
    ("/dgfip/retour", {"id_coll": "", "kind": "depense", "state": "05"}),
    ("/dgfip/retour", {"id_coll": "", "kind": "depense", "restitution": "R", "reissue": True}),
    ("/dgfip/retour", {"id_coll": "", "kind": "recette", "size": 300_000, "state": "03"}),
    ("/dgfip/retour", {"id_coll": "", "kind": "recette", "restitution": "S", "orders": True}),
    ("/dgfip/retour", {"id_coll": "", "kind": "client"}),
    ("/dgfip/retour", {"id_coll": "", "kind": "asap"}),
    ("/dgfip/retour", {"id_coll": "", "kind": "asap", "restitution": "R", "orders": True}),
    ("/dgfip/retour", {"id_coll": STRANGER_SIRET, "kind": "depense"}),
    ("/dgfip/other", {"kind": "ocr"}),
    ("/dgfip/other", {"kind": "ocre"}),
    ("/dgfip/other", {"kind": "unknown_root"}),
    ("/dgfip/other", {"kind": "empty"}),
    ("/dgfip/deposit", {"name": "", "content_base64": base64.b64encode(b"ni XML, ni rien").decode()}),
)
"""Path and body; a value that is empty is chosen when it is sent."""

LEFT_OUT: Mapping[str, str] = {
    "POST /reset": "the State would forget what it received, which is what is compared in the end",
    "GET /prefecture/acts/{id_acte}/letters": "what is read by the clients of letters, which the campaign has none of",
    "GET /prefecture/received/{number}": "bytes: their digests are in the list",
    "GET /dgfip/received/{number}": "bytes: their digests are in the list",
    "prefecture answer=anomaly:NNN": "the number is only repeated, but 001, which would be a lie: no AR would come",
    "prefecture answer=envelope-anomaly:NNN": "the number is only repeated",
    "retour restitution=P": "the default",
    "retour state=01": "by the behaviour `retours`",
    "retour state=02": "by the behaviour `retours`",
    "retour state=04": "by restitution R",
}
"""Of the control API: what the campaign does not ask for, and why."""
