"""Full mutual TLS handshakes a second in the serving process, against nginx alone with the same certificates."""

import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from loadtests.nginx import Certificates, nginx
from loadtests.processes import Program, milliseconds_since, spent
from loadtests.result import Outcome, Sample, compare, interleave
from loadtests.stand import Stand, database, serve
from loadtests.wire import Burst, Crowd, Door, request_head

CLIENTS = 8
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of key, of server and clients alike, and its target."""

    name: str
    make: Callable[[], Key]
    target: float


KINDS = (
    Kind("RSA-2048", lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), 0.65),
    Kind("P-256", lambda: ec.generate_private_key(ec.SECP256R1()), 0.5),
)


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """One process on each side; the request is for a page that is not there, the least that both can answer."""
    each = 400 if quick else 1600
    with Crowd(CLIENTS) as crowd:
        for kind in KINDS:
            with ExitStack() as stack:
                door = _make_certificates(stand.directory / kind.name, kind)
                changes = {
                    "certificate": json.dumps(str(door.ca.parent / "server.pem")),
                    "key": json.dumps(str(door.ca.parent / "server.key")),
                    "connect_authorities": json.dumps(str(door.ca)),
                    "transmit_authorities": json.dumps(str(door.ca)),
                    "crl_required": "false",
                }
                stack.enter_context(database(stand))
                ours = stack.enter_context(serve(stand, changes=changes))
                files = Certificates(door.ca.parent / "server.pem", door.ca.parent / "server.key", door.ca)
                front = stack.enter_context(nginx(stand.directory / f"nginx-{kind.name}", files))
                sides = interleave(
                    rounds,
                    ("tdt", _side(crowd, door, stand.port, each, {"tdt": ours})),
                    ("nginx", _side(crowd, door, front.port, each, {"nginx": front.program})),
                )
            note = f"{CLIENTS} clients at once, TLS 1.3, no resumption, {each} connections a round and side"
            yield compare(f"handshakes, {kind.name}", "/s", sides, kind.target, note=note)


def _side(crowd: Crowd, door: Door, port: int, each: int, servers: Mapping[str, Program]) -> Callable[[int], Sample]:
    burst = Burst(Door(port, door.ca, door.cert, door.key), b"", request_head("GET", "/"), b" 404 ")

    def send(_number: int) -> Sample:
        time.sleep(0.2)
        before = spent(servers)
        seconds, _ = crowd.run(burst, [""] * each)
        return Sample(each / seconds, milliseconds_since(before, servers, each))

    return send


def _make_certificates(directory: Path, kind: Kind) -> Door:
    """An authority, a server and a client with keys of one kind; the port of the door is not known yet."""
    directory.mkdir()
    root_key = kind.make()
    root_name = _name(f"Essai de charge {kind.name}")
    root = _sign(root_name, root_key, (root_name, root_key), None)
    (directory / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    usages = (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH))
    for name, usage in usages:
        key = kind.make()
        certificate = _sign(_name(name), key, (root_name, root_key), usage)
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return Door(0, directory / "ca.pem", directory / "client.pem", directory / "client.key")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign(
    name: x509.Name, key: Key, issuer: tuple[x509.Name, Key], usage: x509.ObjectIdentifier | None
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
    )
    if usage is not None:
        addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
    return builder.sign(issuer[1], hashes.SHA256())
