"""An act that waits for its signature (state 18): what is posted for it, and its message once signed."""

import base64
import binascii
from collections.abc import Mapping

from lxml import etree

from tdt.domain.actes.reading import child, text_of
from tdt.domain.actes.text import xml_text
from tdt.domain.errors import Refused
from tdt.domain.xml import parse_tree

SIGNING = "Erreur lors de la signature : "
NOT_PKCS7 = f"{SIGNING}la signature n'est pas au format PKCS#7."
PEM = "-----BEGIN"
SEQUENCE = 0x30
"""The first byte of a PKCS#7 in DER."""


def read_signature(posted: str) -> str:
    """The detached signature in PEM: as it is, or in base64 of its PEM (S2LOW's page) or of its DER. Raises Refused."""
    if posted.lstrip().startswith(PEM):
        text = posted.strip()
    else:
        try:
            data = base64.b64decode("".join(posted.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused(NOT_PKCS7, code="ACTE_SIGNATURE") from error
        text = _in_pem(data)
    if not text.isascii() or "\0" in text or not text.startswith(PEM):
        raise Refused(NOT_PKCS7, code="ACTE_SIGNATURE")
    return text


def _in_pem(data: bytes) -> str:
    if data[:1] == bytes([SEQUENCE]):
        return f"-----BEGIN PKCS7-----\n{base64.encodebytes(data).decode('ascii')}-----END PKCS7-----"
    return data.decode("latin-1").strip()


def sign_message(xml: bytes, signatures: Mapping[str, str]) -> bytes:
    """The message with these signatures beside the documents of these names, all else as it was."""
    root = parse_tree(xml)
    for element in list(root.iter("{*}Document", "{*}Annexe")):
        signature = signatures.get(text_of(child(element, "NomFichier")))
        if signature is None:
            continue
        old = child(element, "Signature")
        if old is not None:
            element.remove(old)
        namespace = str(element.tag).rpartition("}")[0]
        etree.SubElement(element, f"{namespace}}}Signature").text = xml_text(signature)
    body = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=False)
    assert isinstance(body, bytes)
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>\n' + body
