"""Chains and revocation lists: which certificates lead where, and which of them are not to be served any more."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tdt.certificates.chain import ChainVerifier
from tdt.certificates.files import list_files, read_certificates, stamp
from tdt.certificates.revocation import Revocations, read_crls
from tdt.config import ConfigError

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate and the key that signs with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue(name: str, issuer: Signer | None = None, ca: bool = True, end: datetime = NOW + 30 * DAY) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    signer = issuer.key if issuer else key
    return Signer(builder.sign(signer, hashes.SHA256()), key)


def revoke(
    issuer: Signer, *revoked: Signer, reason: x509.ReasonFlags | None = None, next_update: datetime = NOW + DAY
) -> x509.CertificateRevocationList:
    name = issuer.certificate.subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(NOW - 10 * DAY).next_update(next_update)
    for signer in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(signer.certificate.serial_number)
        entry = entry.revocation_date(NOW - 9 * DAY)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def der(signer: Signer) -> bytes:
    return signer.certificate.public_bytes(Encoding.DER)


ROOT = issue("root")
MIDDLE = issue("middle", ROOT)
LEAF = issue("leaf", MIDDLE, ca=False)
AUTHORITIES = [ROOT.certificate, MIDDLE.certificate]


def test_a_leaf_without_san_leads_to_its_root() -> None:
    verifier = ChainVerifier(AUTHORITIES)
    assert verifier.refusal(der(LEAF), NOW) == ""
    assert verifier.refusal(der(LEAF), NOW + timedelta(seconds=30)) == ""


@pytest.mark.parametrize(
    ("authorities", "leaf"),
    [
        ([], LEAF),
        ([ROOT.certificate], LEAF),
        ([MIDDLE.certificate], LEAF),
        (AUTHORITIES, issue("stranger", ca=False)),
        (AUTHORITIES, issue("leaf of a leaf", LEAF, ca=False)),
        ([*AUTHORITIES, LEAF.certificate], issue("leaf of a leaf", LEAF, ca=False)),
        (AUTHORITIES, issue("ended", MIDDLE, ca=False, end=NOW - DAY)),
    ],
)
def test_chains_that_lead_nowhere(authorities: list[x509.Certificate], leaf: Signer) -> None:
    assert ChainVerifier(authorities).refusal(der(leaf), NOW)


def test_a_verdict_is_looked_at_again_when_time_passes() -> None:
    verifier = ChainVerifier(AUTHORITIES)
    assert verifier.refusal(der(LEAF), NOW) == ""
    assert verifier.refusal(der(LEAF), NOW + 60 * DAY) != ""


def test_a_revoked_leaf_and_the_leaf_of_a_revoked_authority() -> None:
    assert Revocations(AUTHORITIES, []).look(LEAF.certificate, NOW).refusal == ""
    for crl in (revoke(MIDDLE, LEAF), revoke(ROOT, MIDDLE)):
        assert Revocations(AUTHORITIES, [crl]).look(LEAF.certificate, NOW).refusal == "revoked"


def test_an_expired_list_still_revokes() -> None:
    crl = revoke(MIDDLE, LEAF, next_update=NOW - DAY)
    assert Revocations(AUTHORITIES, [crl]).look(LEAF.certificate, NOW).refusal == "revoked"


def test_a_list_of_a_stranger_counts_for_nothing() -> None:
    forged = Signer(MIDDLE.certificate, issue("forger").key)
    assert Revocations(AUTHORITIES, [revoke(forged, LEAF)]).look(LEAF.certificate, NOW).refusal == ""


def test_an_entry_taken_back_does_not_revoke() -> None:
    crl = revoke(MIDDLE, LEAF, reason=x509.ReasonFlags.remove_from_crl)
    assert Revocations(AUTHORITIES, [crl]).look(LEAF.certificate, NOW).refusal == ""


def test_lists_may_be_required_for_the_whole_chain() -> None:
    both = [revoke(MIDDLE), revoke(ROOT)]
    assert Revocations(AUTHORITIES, both, required=True).look(LEAF.certificate, NOW).refusal == ""
    assert (
        Revocations(AUTHORITIES, both[:1], required=True).look(LEAF.certificate, NOW).refusal
        == "no current revocation information"
    )
    assert Revocations(AUTHORITIES, both, required=True).look(LEAF.certificate, NOW + 2 * DAY).refusal != ""


def test_files_of_both_encodings_are_read_and_their_change_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(
        ROOT.certificate.public_bytes(Encoding.PEM) + MIDDLE.certificate.public_bytes(Encoding.PEM)
    )
    (tmp_path / "b.der").write_bytes(der(issue("other")))
    (tmp_path / ".hidden").write_bytes(b"not a certificate")
    assert len(read_certificates(str(tmp_path))) == 3
    assert list_files("") == []
    seen = stamp([str(tmp_path)])
    assert stamp([str(tmp_path)]) == seen
    (tmp_path / "c.der").write_bytes(der(issue("new")))
    assert stamp([str(tmp_path)]) != seen


def test_unreadable_files_are_configuration_faults(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match=r"bad\.pem"):
        read_certificates(str(tmp_path))
    with pytest.raises(ConfigError, match=r"bad\.pem"):
        read_crls(str(tmp_path))
