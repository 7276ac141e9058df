"""The signature of a whole PES of 500 MB verified in a child, against libxml2: a tree, its canonical form, a digest."""

import base64
import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from loadtests.pes import Wish, write_pes
from loadtests.processes import drop_files
from loadtests.result import Outcome, Sample, compare, interleave
from loadtests.stand import ROOT, Stand, environment

SIZE = 500_000_000
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
MEMORY = 48
"""MiB that the child may have."""


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """Each pass in a new process. The signature is one that does not hold: to find that out costs as much."""
    size = SIZE // 10 if quick else SIZE
    for name, attachments in (("PJ of 150 kB", size // 150_000), ("one PJ", 1)):
        path = stand.directory / "flow.xml"
        _write(path, Wish(f"SIGNE-{attachments}", size, attachments))
        growth: list[float] = []
        sides = interleave(
            rounds,
            ("tdt", _pass([], "signatures", str(path), str(MEMORY))),
            ("libxml2", _pass(growth, "canonical", str(path))),
        )
        path.unlink()
        drop_files(stand.spool)
        note = f"tdt: a child of {MEMORY} MiB; libxml2: resident memory grew by {max(growth):.0f} MiB"
        yield compare(f"signature of 500 MB, {name}", "s", sides, None, at_least=False, note=note)


def _write(path: Path, wish: Wish) -> None:
    *pieces, tail = write_pes(wish)
    end = tail.rindex(b"</")
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.write(tail[:end] + _signature().encode() + tail[end:])


def _signature() -> str:
    transforms = "".join(f'<ds:Transform Algorithm="{one}"/>' for one in (f"{DS}enveloped-signature", EXCLUSIVE))
    nothing = base64.b64encode(bytes(32)).decode()
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="S"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
        f'<ds:Reference URI=""><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"/>'
        f"<ds:DigestValue>{nothing}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        f"<ds:SignatureValue>{base64.b64encode(bytes(256)).decode()}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{_certificate()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def _certificate() -> str:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signataire d'essai")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    made = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def _pass(growth: list[float], *arguments: str) -> Callable[[int], Sample]:
    command = [sys.executable, "-m", "loadtests.one_pass", *arguments]

    def run_pass(_number: int) -> Sample:
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env=environment())
        told = json.loads(answer.stdout)
        growth.append(told["growth_mib"])
        return Sample(told["seconds"], {"process": 1000 * told["cpu"]})

    return run_pass
