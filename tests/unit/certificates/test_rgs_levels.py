"""rgs.toml with all its faults, and what a certificate is worth: the signature names the authority, not the name."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tdt.certificates.files import read_certificates
from tdt.certificates.rgs import Assessor, fingerprint, list_policies, load_issuers, read_issuers
from tdt.config import Config, ConfigError, Server
from tdt.domain.rgs import Holder, Issuer, Level, Policy, RevocationPolicy
from tdt.sandbox.layout import Dsns, Layout, write_config
from tdt.sandbox.pki import PERSONS, REFUSED, SOFTWARE, make_pki
from tdt.sandbox.rgs import RGS_TOML
from tdt.sandbox.settings import Ports, Settings
from tdt.web.trust import Trust
from tests.architecture.sources import ROOT

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STAR, TWO_STARS = "1.2.3.1", "1.2.3.2"


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate and the key that signs with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def issue(
    name: str,
    issuer: Signer | None = None,
    ca: bool = True,
    policies: tuple[str, ...] = (),
    critical: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    life: tuple[datetime, datetime] = (NOW - 30 * DAY, NOW + 30 * DAY),
) -> Signer:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(life[0])
        .not_valid_after(life[1])
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if policies:
        known = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]
        builder = builder.add_extension(x509.CertificatePolicies(known), critical=critical)
    return Signer(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def leaf(issuer: Signer, *policies: str) -> Signer:
    return issue("leaf", issuer, ca=False, policies=policies)


def entry(authority: Signer, pinned: bool = False) -> Issuer:
    policies = (Policy(STAR, Level.ONE, Holder.SERVER), Policy(TWO_STARS, Level.TWO, Holder.PERSON))
    digest = fingerprint(authority.certificate) if pinned else ""
    return Issuer(authority.certificate.subject.rfc4514_string(), digest, policies)


ROOT_CA = issue("root")
LISTED = issue("listed", ROOT_CA)
OTHER = issue("other", ROOT_CA)
NAMESAKE = issue("listed", ROOT_CA)
RENEWED = issue("listed", ROOT_CA, key=LISTED.key)
AUTHORITIES = [one.certificate for one in (ROOT_CA, LISTED, OTHER, NAMESAKE)]


# ---------------------------------------------------------------------------------------------- certificates


def test_a_level_needs_the_authority_and_the_policy() -> None:
    assessor = Assessor(AUTHORITIES, [entry(LISTED, pinned=True)])
    found = assessor.assess(leaf(LISTED, "1.9.9", STAR, TWO_STARS).der, NOW)
    assert (found.level, found.holder, found.refusal) == (Level.TWO, Holder.PERSON, "")
    assert found.policies == ("1.9.9", STAR, TWO_STARS) and found.chain[1] == LISTED.certificate
    for certificate, told in (
        (leaf(OTHER, STAR), "« CN=other », qui l'a délivré, n'est pas une autorité RGS déclarée"),
        (leaf(LISTED, "1.9.9"), "pas pour cette sorte de certificats. Ses politiques de certification : 1.9.9."),
        (leaf(LISTED), "ne porte aucune politique"),
        (leaf(NAMESAKE, STAR), "n'en a pas le certificat"),
        (leaf(ROOT_CA, STAR), "« CN=root »"),
        (leaf(issue("stranger"), STAR), "« CN=stranger », ne mène à aucune des autorités"),
    ):
        found = assessor.assess(certificate.der, NOW)
        assert (found.level, found.holder) == (Level.NONE, None)
        assert told in found.refusal


def test_a_namesake_with_another_key_counts_only_where_the_name_alone_is_declared() -> None:
    """Both keys are accepted for télétransmission here: the operator trusts both, and declared one certificate."""
    forged = Signer(LISTED.certificate, issue("forger").key)
    for entries, level in (([entry(LISTED, pinned=True)], Level.NONE), ([entry(LISTED)], Level.ONE)):
        assert Assessor(AUTHORITIES, entries).assess(leaf(NAMESAKE, STAR).der, NOW).level is level
        outside = Assessor(AUTHORITIES[:3], entries)
        assert outside.assess(leaf(NAMESAKE, STAR).der, NOW).level is Level.NONE
        assert outside.assess(leaf(forged, STAR).der, NOW).level is Level.NONE


def test_an_authority_renewed_with_its_key_is_declared_by_either_certificate() -> None:
    for authorities in ([RENEWED, LISTED], [LISTED, RENEWED]):
        certificates = [ROOT_CA.certificate, *(one.certificate for one in authorities)]
        for declared in (LISTED, RENEWED):
            assessor = Assessor(certificates, [entry(declared, pinned=True)])
            assert assessor.assess(leaf(LISTED, STAR).der, NOW).level is Level.ONE


def test_policies_may_be_critical() -> None:
    middle = issue("critical", ROOT_CA, policies=(STAR,), critical=True)
    certificate = issue("leaf", middle, ca=False, policies=(STAR,), critical=True)
    assessor = Assessor([ROOT_CA.certificate, middle.certificate], [entry(middle)])
    assert assessor.assess(certificate.der, NOW).level is Level.ONE


def test_without_any_entry_the_directory_decides_alone() -> None:
    assessor = Assessor(AUTHORITIES, [])
    found = assessor.assess(leaf(OTHER).der, NOW)
    assert (found.refusal, found.level) == ("", Level.NONE)
    assert assessor.assess(leaf(issue("stranger"), STAR).der, NOW).refusal


def test_a_verdict_is_given_again_when_time_passes() -> None:
    assessor, certificate = Assessor(AUTHORITIES, [entry(LISTED)]), leaf(LISTED, STAR)
    assert assessor.assess(certificate.der, NOW) is assessor.assess(certificate.der, NOW + timedelta(seconds=30))
    assert "ne mène" in assessor.assess(certificate.der, NOW + 60 * DAY).refusal


def test_policies_that_cannot_be_read_are_none() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x30\x03\x02\x01")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + DAY)
    assert list_policies(builder.add_extension(broken, critical=False).sign(key, hashes.SHA256())) == ()


# ---------------------------------------------------------------------------------------------- rgs.toml


def test_a_file_in_full() -> None:
    text = f"""
        [[authority]]
        subject = "CN=A\\\\, b,O=C"
        sha256 = "{":".join(["AB"] * 32)}"
        revocation = "hard"
        [[authority.policy]]
        oid = "{STAR}"
        level = "*"
        holder = "server"
        [[authority.policy]]
        oid = "{TWO_STARS}"
        level = "**"
        holder = "person"
    """
    policies = (Policy(STAR, Level.ONE, Holder.SERVER), Policy(TWO_STARS, Level.TWO, Holder.PERSON))
    assert read_issuers(text) == (Issuer("CN=A\\, b,O=C", "ab" * 32, policies, RevocationPolicy.HARD),)
    assert read_issuers("") == read_issuers("# nothing") == load_issuers("") == ()


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rgs.toml"
    file.write_text(
        """
        colour = "blue"
        [[authority]]
        subject = "nonsense"
        sha256 = "12"
        revocation = "maybe"
        size = 3
        [[authority.policy]]
        oid = "1.x"
        level = "***"
        holder = "dog"
        extra = true
        [[authority.policy]]
        oid = "2.5.29.32.0"
        level = "*"
        [[authority]]
        subject = 12
        [[authority]]
        subject = "CN=A"
        policy = 7
        [[authority]]
        subject = "CN=A"
        policy = [7]
        """
    )
    with pytest.raises(ConfigError) as caught:
        load_issuers(str(file))
    faults = "\n".join(caught.value.faults)
    assert all(fault.startswith(f"{file}: ") for fault in caught.value.faults)
    for told in (
        "colour: unknown key",
        "[[authority]] 1: size: unknown key",
        "'nonsense' is not a distinguished name",
        "sha256: must be 64",
        "revocation: Invalid enum value 'maybe'",
        "policy 1: extra: unknown key",
        "policy 1: holder: Invalid enum value 'dog'",
        "policy 1: oid: '1.x'",
        "policy 1: level: '***'",
        "policy 2: holder: missing",
        "policy 2: oid: '2.5.29.32.0'",
        "[[authority]] 2: subject: Expected `str`",
        "[[authority]] 2: policy: at least one",
        "[[authority]] 3: policy: at least one",
        "[[authority]] 4: policy 1: must be a table",
    ):
        assert told in faults
    assert len(caught.value.faults) == 15


@pytest.mark.parametrize(
    "text", ["authority = 1", "authority = [1]", "[authority]\nsubject = 'CN=A'", "[[authority", RGS_TOML + RGS_TOML]
)
def test_other_faults_of_the_file(text: str) -> None:
    with pytest.raises(ConfigError):
        read_issuers(text)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "rgs.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_issuers(str(tmp_path / "rgs.toml"))


# ---------------------------------------------------------------------------------------------- the sandbox


def test_the_file_shipped_is_that_of_the_sandbox_and_gives_each_its_level(tmp_path: Path) -> None:
    assert (ROOT / "conf/rgs.toml").read_text(encoding="utf-8") == RGS_TOML
    layout = Layout(tmp_path)
    pki = make_pki(layout.pki.directory, NOW)
    assert pki.rgs.read_text(encoding="utf-8") == RGS_TOML
    assessor = Assessor(read_certificates(str(pki.transmit)), load_issuers(str(pki.rgs)))
    for name in {*SOFTWARE, *PERSONS} - set(REFUSED):
        der = x509.load_pem_x509_certificate(pki.client(name).cert.read_bytes()).public_bytes(Encoding.DER)
        found = assessor.assess(der, NOW)
        expected = (Level.TWO, Holder.PERSON) if name in PERSONS else (Level.ONE, Holder.SERVER)
        assert (found.level, found.holder, found.refusal) == (*expected, "")
    for expected_setting in (f'rgs = "{pki.rgs}"', 'rgs = ""'):
        write_config(layout, Settings(ports=Ports(web=1)), Dsns("owner", "app"))
        assert expected_setting in layout.config.read_text(encoding="utf-8").splitlines()
        pki.rgs.unlink(missing_ok=True)  # a directory made by an earlier version


def test_levels_change_while_the_server_runs_and_a_fault_keeps_the_last_good_ones(tmp_path: Path) -> None:
    for number, one in enumerate(AUTHORITIES):
        (tmp_path / f"{number}.pem").write_bytes(one.public_bytes(Encoding.PEM))
    file = tmp_path / "levels" / "rgs.toml"
    file.parent.mkdir()
    file.write_text("")
    server = Server(client_certificate="nginx", listen="unix:x", transmit_authorities=str(tmp_path), rgs=str(file))
    trust = Trust(Config(server=server).server, lambda: NOW)
    certificate = leaf(LISTED, STAR).der
    assert trust.identify(certificate).transmit and not trust.reload()
    policy = f'[[authority.policy]]\noid = "{STAR}"\nlevel = "*"\nholder = "server"\n'
    file.write_text(f'[[authority]]\nsubject = "CN=other"\n{policy}')
    assert trust.reload()
    identity = trust.identify(certificate)
    assert not identity.transmit and STAR in identity.refusal and identity.policies == (STAR,)
    file.write_text(f'[[authority]]\nsubject = "CN=listed"\n{policy}')
    assert trust.reload()
    for text in (None, "nonsense", "colour = 1"):
        if text is not None:
            file.write_text(text)
            with pytest.raises(ConfigError):
                trust.reload()
        identity = trust.identify(certificate)
        assert (identity.transmit, identity.level, identity.holder) == (True, Level.ONE, Holder.SERVER)
    file.unlink()
    with pytest.raises(OSError, match=r"rgs\.toml"):
        trust.reload()
    assert trust.identify(certificate).transmit
