"""What the tests of the administration endpoints share: JSON answers, certificates to give, what the audit holds."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tdt.deps import utc_now
from tdt.domain.identity import certificate_hash
from tests.wire.client import Answer
from tests.wire.stack import Stack


def told(answer: Answer) -> dict[str, Any]:
    """The object of a JSON answer of administration."""
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
    assert answer.body.isascii()
    value: dict[str, Any] = json.loads(answer.body)
    return value


def error(message: str) -> bytes:
    """The bytes of a refusal, as PHP writes them."""
    text = json.dumps({"status": "error", "error-message": message}, separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")


def make_certificate(name: str = "Nouveau logiciel", days: int = 30) -> bytes:
    """A certificate in PEM, of nobody's authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(0x1234ABCD).not_valid_before(utc_now() - timedelta(days=400))
    return (
        builder.not_valid_after(utc_now() + timedelta(days=days)).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    )


def hash_of(pem: bytes) -> str:
    return certificate_hash(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))


async def rows(stack: Stack, query: str, *values: object) -> list[dict[str, Any]]:
    """What the database holds, as its owner sees it."""
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        return [dict(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def id_of(stack: Stack, email: str) -> int:
    """The account of this address: the name of its certificate in the sandbox, then its collectivité's domain."""
    found: int = (await rows(stack, "select id from account where email = $1", email))[0]["id"]
    return found


async def audited(stack: Stack, tag: str) -> dict[str, Any]:
    """The data of the only audit row of this tag."""
    (row,) = await rows(stack, "select data, authority_id, account_id, object_id from audit where tag = $1", tag)
    return {**row, "data": json.loads(row["data"])}
