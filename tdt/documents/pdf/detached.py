"""A signature posted beside its document (PKCS#7, detached, PEM): checked against the very bytes of the document."""

import hashlib
import os
from collections.abc import Sequence

from asn1crypto import cms as asn1
from asn1crypto import pem

from tdt.documents.pdf import cms
from tdt.documents.signatures import Detached
from tdt.domain.signatures import Signature, Signatures

READ_BYTES = 1 << 20


def read_detached(order: Detached, files: Sequence[int]) -> Signatures:
    """The signers of the message, over the bytes of the first file."""
    try:
        message = asn1.ContentInfo.load(_unarmoured(order.text))
        if message["content_type"].native != "signed_data":
            return Signatures(fault="ce n'est pas une signature PKCS#7")
        data = message["content"]
        signers = list(data["signer_infos"])
        content = data["encap_content_info"]["content"]
        held = bytes(content) if content.native is not None else None
    except cms.MISREAD as error:
        return Signatures(fault=cms.describe(error))
    if not signers:
        return Signatures(fault="aucun signataire")
    return Signatures(tuple(_read(data, signer, held, files[0]) for signer in signers))


def _unarmoured(text: str) -> bytes:
    """PEM, whatever its label."""
    data = text.strip().encode("ascii") + b"\n"
    if not pem.detect(data):
        raise ValueError("ni PEM ni PKCS#7")
    _, _, der = pem.unarmor(data)
    return bytes(der)


def _read(data: asn1.SignedData, signer: asn1.SignerInfo, held: bytes | None, file: int) -> Signature:
    try:
        certificate = cms.find_signer(data, signer)
        algorithm = signer["digest_algorithm"]["algorithm"].native
        digest = _digest(file, algorithm)
        kind = data["encap_content_info"]["content_type"].native
        intact, valid = cms.check(signer, certificate, kind, digest)
    except cms.MISREAD as error:
        return Signature(name="", fault=cms.describe(error))
    # a message that carries a content of its own must carry the document itself
    same = held is None or hashlib.new(algorithm, held).digest() == digest
    return Signature(
        name="",
        certificate=certificate.dump(),
        others=cms.list_others(data, certificate),
        digest=algorithm,
        signed_at=cms.claimed_time(signer),
        stamped_at=cms.stamped_time(signer),
        intact=intact and same,
        valid=valid,
        covers="file",
    )


def _digest(file: int, algorithm: str) -> bytes:
    digest, offset = hashlib.new(algorithm), 0
    while chunk := os.pread(file, READ_BYTES, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.digest()
