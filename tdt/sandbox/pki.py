"""The throwaway PKI of the sandbox: the authorities, the server, the clients (good and bad), the State's side.

Clients have RSA-2048 keys, as in the field; the server and the authorities P-256, which costs less at each handshake.
"""

import ipaddress
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tdt.sandbox.rgs import ORGANIZATION, PERSON_AUTHORITY, PERSON_POLICY, RGS_TOML, SOFTWARE_AUTHORITY, SOFTWARE_POLICY

LIFETIME = timedelta(days=3650)
BACKDATE = timedelta(hours=1)
"""Clocks differ a little."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SOFTWARE = ("system", "certonly", "other", "expired", "revoked", "no-account")
PERSONS = ("agent", "adm", "arch", "gadm", "sadm")
UNKNOWN = "unknown-ca"
REFUSED = ("unknown-ca", "expired", "revoked", "no-account")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Pki:
    """Where everything is, in one directory."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def connect(self) -> Path:
        """The authorities whose certificates may connect."""
        return self.directory / "connect"

    @property
    def transmit(self) -> Path:
        """The authorities whose certificates may télétransmettre."""
        return self.directory / "transmit"

    @property
    def rgs(self) -> Path:
        """Which policies of these authorities stand for which level; a directory of an earlier version has none."""
        return self.directory / "rgs.toml"

    @property
    def crl(self) -> Path:
        return self.directory / "crl"

    @property
    def server(self) -> Pair:
        return Pair(self.directory / "server.pem", self.directory / "server.key")

    @property
    def signing(self) -> Pair:
        """With what the platform signs; a directory of an earlier version has none."""
        return Pair(self.directory / "signing.pem", self.directory / "signing.key")

    def client(self, name: str) -> Pair:
        return Pair(self.directory / "clients" / f"{name}.pem", self.directory / "clients" / f"{name}.key")

    @property
    def state_root(self) -> Path:
        """The authority of the State's side: of the préfecture's server and of the clients that it accepts."""
        return self.directory / "state" / "ca.pem"

    @property
    def prefecture(self) -> Pair:
        return Pair(self.directory / "state" / "prefecture.pem", self.directory / "state" / "prefecture.key")

    @property
    def ministry_client(self) -> Pair:
        """What the TdT shows to the ministry."""
        return Pair(self.directory / "state" / "tdt.pem", self.directory / "state" / "tdt.key")

    @property
    def sftp_host_key(self) -> Path:
        return self.directory / "state" / "sftp_host_key"


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class _Wish:
    """A certificate to make: whose, for which use, how long ago it ended."""

    name: x509.Name
    usage: x509.ObjectIdentifier
    key: Key
    addresses: tuple[str, ...] = ()
    ended: timedelta = timedelta(0)
    policy: str = ""


def make_pki(directory: Path, now: datetime) -> Pki:
    """Makes everything once; a directory that exists is complete (it gets its name at the end)."""
    if not directory.exists():
        making = Pki(directory.with_name(directory.name + ".making"))
        for folder in ("connect", "transmit", "crl", "clients", "state"):
            (making.directory / folder).mkdir(parents=True, exist_ok=True)
        making.directory.chmod(0o700)
        _make_field(making, now)
        _make_state(making, now)
        making.directory.rename(directory)
    return Pki(directory)


def _make_field(pki: Pki, now: datetime) -> None:
    """Root, one authority for software (RGS*), one for persons (RGS**), server, clients, revocation lists."""
    root = _new_root("TDT bac à sable", now)
    software = _new_authority(SOFTWARE_AUTHORITY, root, now)
    persons = _new_authority(PERSON_AUTHORITY, root, now)
    stranger = _new_root("Autorité inconnue", now)
    _write_certificates(pki.root, [root.certificate])
    for folder in (pki.connect, pki.transmit):
        for name, authority in (("racine", root), ("serveurs", software), ("personnes", persons)):
            _write_certificates(folder / f"{name}.pem", [authority.certificate])
    pki.rgs.write_text(RGS_TOML, encoding="utf-8")

    server = _Wish(
        _name("Serveur du bac à sable"), ExtendedKeyUsageOID.SERVER_AUTH, _ec_key(), ("localhost", "127.0.0.1", "::1")
    )
    _write_pair(pki.server, server, software, now, chain=[software.certificate])
    signing = _Wish(_name("Signature du bac à sable"), ExtendedKeyUsageOID.EMAIL_PROTECTION, _ec_key())
    _write_pair(pki.signing, signing, software, now, chain=[software.certificate])
    issued: dict[str, x509.Certificate] = {}
    with ThreadPoolExecutor() as threads:  # OpenSSL works outside the interpreter lock
        keys = dict(
            zip((*SOFTWARE, *PERSONS, UNKNOWN), threads.map(_client_key, (*SOFTWARE, *PERSONS, UNKNOWN)), strict=True)
        )
    for name, key in keys.items():
        issuer = persons if name in PERSONS else stranger if name == UNKNOWN else software
        ended = timedelta(days=2) if name == "expired" else timedelta(0)
        policy = PERSON_POLICY if name in PERSONS else SOFTWARE_POLICY
        wish = _Wish(_client_name(name), ExtendedKeyUsageOID.CLIENT_AUTH, key, ended=ended, policy=policy)
        issued[name] = _write_pair(pki.client(name), wish, issuer, now)
    _write_crl(pki.crl / "racine.crl", root, [], now)
    _write_crl(pki.crl / "serveurs.crl", software, [issued["revoked"]], now)
    _write_crl(pki.crl / "personnes.crl", persons, [], now)


def _make_state(pki: Pki, now: datetime) -> None:
    """The State's own authority, the préfecture's server, the certificate it gave to the TdT, the SFTP host key."""
    root = _new_root("État - bac à sable", now)
    _write_certificates(pki.state_root, [root.certificate])
    server = _Wish(_name("prefecture"), ExtendedKeyUsageOID.SERVER_AUTH, _ec_key(), ("localhost", "127.0.0.1", "::1"))
    _write_pair(pki.prefecture, server, root, now)
    client = _Wish(_name("tiers de télétransmission"), ExtendedKeyUsageOID.CLIENT_AUTH, _ec_key())
    _write_pair(pki.ministry_client, client, root, now)
    host_key = ed25519.Ed25519PrivateKey.generate()
    _write_private(
        pki.sftp_host_key,
        host_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
    )
    public = host_key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    pki.sftp_host_key.with_suffix(".pub").write_bytes(public + b"\n")


# ---------------------------------------------------------------------------------------------- names and keys


def _name(common_name: str, organization: str = ORGANIZATION, unit: str = "") -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    if unit:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _client_name(name: str) -> x509.Name:
    """RGS: the unit holds the scheme 0002 and the SIREN of the organisation."""
    if name == "other":
        return _name(name, "Collectivité B", "0002 987654321"[:14])
    return _name(name, "Collectivité A", "0002 123456782")


def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _client_key(name: str) -> Key:
    """Those that are refused may have any key: only the good ones take the time of RSA."""
    return _ec_key() if name in REFUSED else rsa.generate_private_key(public_exponent=65537, key_size=2048)


# ---------------------------------------------------------------------------------------------- certificates


def _new_root(common_name: str, now: datetime) -> _Authority:
    key = _ec_key()
    name = _name(common_name)
    return _Authority(_sign_authority(name, key, _Issuer(name, key), now), key)


def _new_authority(common_name: str, parent: _Authority, now: datetime) -> _Authority:
    key = _ec_key()
    issuer = _Issuer(parent.certificate.subject, parent.key)
    return _Authority(_sign_authority(_name(common_name), key, issuer, now), key)


@dataclass(frozen=True, slots=True)
class _Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def _sign_authority(name: x509.Name, key: Key, issuer: _Issuer, now: datetime) -> x509.Certificate:
    builder = _builder(name, key, issuer, now - BACKDATE, now + LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.add_extension(_usage(authority=True), critical=True).sign(issuer.key, hashes.SHA256())


def _sign(wish: _Wish, authority: _Authority, now: datetime) -> x509.Certificate:
    issuer = _Issuer(authority.certificate.subject, authority.key)
    end = now - wish.ended if wish.ended else now + LIFETIME
    start = end - timedelta(days=365) if wish.ended else now - BACKDATE
    builder = _builder(wish.name, wish.key, issuer, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([wish.usage]), critical=False)
    if wish.addresses:  # client certificates of the field rarely have one
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(wish.addresses)), critical=False)
    if wish.policy:
        policy = x509.PolicyInformation(x509.ObjectIdentifier(wish.policy), None)
        builder = builder.add_extension(x509.CertificatePolicies([policy]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _builder(name: x509.Name, key: Key, issuer: _Issuer, start: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(addresses: Iterable[str]) -> list[x509.GeneralName]:
    return [
        x509.IPAddress(ipaddress.ip_address(address))
        if address[0].isdigit() or ":" in address
        else x509.DNSName(address)
        for address in addresses
    ]


# ---------------------------------------------------------------------------------------------- files


def _write_pair(
    pair: Pair, wish: _Wish, authority: _Authority, now: datetime, chain: Iterable[x509.Certificate] = ()
) -> x509.Certificate:
    certificate = _sign(wish, authority, now)
    _write_certificates(pair.cert, [certificate, *chain])
    _write_private(
        pair.key,
        wish.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return certificate


def _write_certificates(path: Path, certificates: Iterable[x509.Certificate]) -> None:
    path.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates))


def _write_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _write_crl(path: Path, authority: _Authority, revoked: Iterable[x509.Certificate], now: datetime) -> None:
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(now - BACKDATE).next_update(now + LIFETIME)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - BACKDATE).build())
    path.write_bytes(builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
