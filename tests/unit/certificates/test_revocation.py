"""Revocation by lists and OCSP answers in memory: who is believed, for how long, and what nothing known means."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tdt.certificates.ocsp import build_request, read_answer
from tdt.certificates.revocation import NO_PROOF, REVOKED, Finding, Revocations
from tdt.domain.rgs import Issuer, RevocationPolicy
from tests import ocsp as made
from tests.unit.certificates.test_chain_and_lists import (
    AUTHORITIES,
    DAY,
    LEAF,
    MIDDLE,
    NOW,
    ROOT,
    Signer,
    issue,
    revoke,
)

GOOD, BAD, DUNNO = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
HOUR = timedelta(hours=1)
MIDDLE_NAME = MIDDLE.certificate.subject.rfc4514_string()


def responder(issuer: Signer = MIDDLE, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ocsp")]))
    builder = builder.issuer_name(issuer.certificate.subject).public_key(key.public_key()).serial_number(99)
    builder = builder.not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + 9 * DAY)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Signer(builder.sign(issuer.key, hashes.SHA256()), key)


def response(
    signer: Signer = MIDDLE, status: ocsp.OCSPCertStatus = GOOD, age: timedelta = HOUR, about: Signer = LEAF
) -> ocsp.OCSPResponse:
    data = made.answer(about.certificate, MIDDLE.certificate, (signer.certificate, signer.key), NOW - age, status)
    return ocsp.load_der_ocsp_response(data)


def look(*answers: ocsp.OCSPResponse, policy: RevocationPolicy | None = None, required: bool = False) -> Finding:
    issuers = [Issuer(MIDDLE_NAME, revocation=policy)] if policy is not None else []
    return Revocations(AUTHORITIES, [], answers, issuers, required).look(LEAF.certificate, NOW)


def test_the_answer_of_the_issuer_and_of_its_responder() -> None:
    for signer in (MIDDLE, responder()):
        assert look(response(signer, BAD)).refusal == REVOKED
        found = look(response(signer))
        assert (found.refusal, found.proof.source, found.proof.this_update) == ("", "ocsp", NOW - HOUR)
        assert found.proof.current


def test_nobody_else_is_believed() -> None:
    stranger = issue("middle", ROOT)  # the same name, another key
    for signer in (ROOT, stranger, responder(usage=ExtendedKeyUsageOID.CLIENT_AUTH), responder(stranger)):
        assert look(response(signer, BAD)).refusal == ""
        assert look(response(signer)).proof.source == "none"
    other = issue("autre", MIDDLE, ca=False)
    assert look(response(status=BAD, about=other)).refusal == ""


def test_an_answer_out_of_date_still_revokes_but_proves_nothing_good() -> None:
    old = look(response(age=3 * DAY), policy=RevocationPolicy.HARD)
    assert (old.refusal, old.proof.current) == (NO_PROOF, False)
    assert look(response(age=3 * DAY, status=BAD)).refusal == REVOKED
    assert look(response(age=-DAY), policy=RevocationPolicy.HARD).refusal == NO_PROOF  # of tomorrow
    assert look(response(status=DUNNO), policy=RevocationPolicy.HARD).refusal == NO_PROOF
    assert look(response(status=DUNNO), policy=RevocationPolicy.SOFT).refusal == ""


@pytest.mark.parametrize(
    ("policy", "required", "refusal"),
    [
        (None, False, ""),
        (None, True, NO_PROOF),
        (RevocationPolicy.HARD, False, NO_PROOF),
        (RevocationPolicy.SOFT, False, ""),
    ],
)
def test_when_nothing_is_known(policy: RevocationPolicy | None, required: bool, refusal: str) -> None:
    assert look(policy=policy, required=required).refusal == refusal


def test_the_policy_of_an_issuer_counts_against_the_setting_of_the_server() -> None:
    current = [revoke(ROOT)]
    soft = [Issuer(MIDDLE_NAME, revocation=RevocationPolicy.SOFT)]
    assert Revocations(AUTHORITIES, current, (), soft, required=True).look(LEAF.certificate, NOW).refusal == ""
    pinned = [Issuer(MIDDLE_NAME, MIDDLE.certificate.fingerprint(hashes.SHA256()).hex(), (), RevocationPolicy.HARD)]
    assert Revocations(AUTHORITIES, current, (), pinned).look(LEAF.certificate, NOW).refusal == NO_PROOF


def test_the_newest_proof_in_date_is_the_one_recorded() -> None:
    stale = revoke(MIDDLE, next_update=NOW - DAY)
    both = Revocations(AUTHORITIES, [stale], [response()]).look(LEAF.certificate, NOW)
    assert both.proof.recorded() == {
        "source": "ocsp",
        "this_update": (NOW - HOUR).isoformat(),
        "next_update": (NOW - HOUR + DAY).isoformat(),
        "number": None,
        "current": True,
    }
    alone = Revocations(AUTHORITIES, [stale]).look(LEAF.certificate, NOW)
    assert (alone.proof.source, alone.proof.current) == ("crl", False)


def test_an_authority_revoked_above_refuses_all_that_it_issued() -> None:
    assert Revocations(AUTHORITIES, [revoke(ROOT, MIDDLE)]).look(LEAF.certificate, NOW).refusal == REVOKED


def test_any_digest_may_name_the_issuer() -> None:
    for algorithm in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384()):
        data = made.answer(
            LEAF.certificate, MIDDLE.certificate, (MIDDLE.certificate, MIDDLE.key), NOW, BAD, algorithm=algorithm
        )
        found = read_answer(ocsp.load_der_ocsp_response(data), AUTHORITIES)
        assert found is not None
        assert (found.revoked, found.serial) == (True, LEAF.certificate.serial_number)


def test_the_request_names_the_certificate() -> None:
    request = ocsp.load_der_ocsp_request(build_request(LEAF.certificate, MIDDLE.certificate))
    assert request.serial_number == LEAF.certificate.serial_number


def test_an_answer_that_refuses_to_answer_is_none() -> None:
    data = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert read_answer(data, AUTHORITIES) is None
