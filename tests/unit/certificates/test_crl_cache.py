"""Lists that are fetched: which are kept, which are refused, where they come from."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.crl_cache import ListRefused, configured_points, demands, judge, keep, read_cached
from tdt.certificates.revocation import NO_PROOF, Revocations
from tdt.config import ConfigError, Revocation, RevocationIssuer
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

URL = "http://crl.example/middle.crl"
NAME = MIDDLE.certificate.subject


def made(
    signer: Signer, start: datetime = NOW - DAY, end: datetime = NOW + DAY, extension: x509.ExtensionType | None = None
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(signer.certificate.subject)
    builder = builder.last_update(start).next_update(end)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signer.key, hashes.SHA256())


def der(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.DER)


SCOPE = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>maintenance</html>", "not a revocation list"),
        (der(made(ROOT)), "of another issuer"),
        (der(made(Signer(MIDDLE.certificate, issue("forger").key))), "not signed by its issuer"),
        (der(made(MIDDLE, start=NOW + DAY, end=NOW + 2 * DAY)), "of the future"),
        (der(made(MIDDLE, start=NOW - 2 * DAY, end=NOW - DAY)), "out of date"),
        (der(made(MIDDLE, extension=x509.DeltaCRLIndicator(1))), "delta"),
        (der(made(MIDDLE, extension=SCOPE)), "partial"),
    ],
)
def test_what_is_no_good_list_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ListRefused, match=reason):
        judge(data, NAME, AUTHORITIES, NOW)


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_good_list_is_kept_once(tmp_path: Path, encoding: Encoding) -> None:
    data = revoke(MIDDLE, LEAF).public_bytes(encoding)
    crl = judge(data, NAME, AUTHORITIES, NOW)
    assert keep(tmp_path, URL, crl, data)
    assert not keep(tmp_path, URL, crl, data)
    assert read_cached(str(tmp_path)) == [crl]


def test_an_older_list_never_takes_a_revocation_back(tmp_path: Path) -> None:
    newer, older = made(MIDDLE, start=NOW - DAY), made(MIDDLE, start=NOW - 2 * DAY)
    keep(tmp_path, URL, newer, der(newer))
    with pytest.raises(ListRefused, match="older"):
        keep(tmp_path, URL, older, der(older))
    assert read_cached(str(tmp_path)) == [newer]


def test_a_broken_file_of_the_cache_is_left_out_and_replaced(tmp_path: Path) -> None:
    crl = made(MIDDLE)
    keep(tmp_path, URL, crl, der(crl))
    next(tmp_path.glob("*.crl")).write_bytes(b"torn")
    assert read_cached(str(tmp_path)) == []
    assert keep(tmp_path, URL, crl, der(crl))


def rule(tmp_path: Path, proof: str, *crl: str) -> Revocation:
    path = tmp_path / "middle.pem"
    path.write_bytes(MIDDLE.certificate.public_bytes(Encoding.PEM))
    return Revocation(
        issuer=[RevocationIssuer(certificate=str(path), proof="hard" if proof == "hard" else "soft", crl=list(crl))]
    )


def test_an_issuer_may_be_hard_or_soft_whatever_the_general_rule(tmp_path: Path) -> None:
    root = [made(ROOT)]
    hard = Revocations(AUTHORITIES, root, demands(rule(tmp_path, "hard")))
    soft = Revocations(AUTHORITIES, root, demands(rule(tmp_path, "soft")))
    assert hard.refusal(LEAF.certificate, False, NOW) == NO_PROOF
    assert soft.refusal(LEAF.certificate, True, NOW) == ""
    revoked = Revocations(AUTHORITIES, [revoke(MIDDLE, LEAF, next_update=NOW - DAY)], demands(rule(tmp_path, "soft")))
    assert revoked.refusal(LEAF.certificate, False, NOW + timedelta(days=9)) == "revoked"


def test_addresses_of_the_configuration(tmp_path: Path) -> None:
    assert configured_points(rule(tmp_path, "hard", URL), AUTHORITIES) == {URL: NAME}
    missing = Revocation(issuer=[RevocationIssuer(certificate=str(tmp_path / "absent.pem"))])
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        demands(missing)
