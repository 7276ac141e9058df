"""What children tell of signatures: inside a PDF, and beside a document."""

import io
import random
import tempfile
from collections.abc import Callable, Sequence

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tdt.documents.pdf.detached import read_detached
from tdt.documents.pdf.signatures import read_signatures
from tdt.documents.signatures import Detached, PdfSignaturesOrder
from tdt.domain.signatures import Signature, Signatures
from tests.pdf_files import PDF
from tests.signing import Authority, Person, sign_apart, sign_pdf


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("AC des signataires")


@pytest.fixture(scope="module")
def mayor(authority: Authority) -> Person:
    return authority.person("Le maire")


@pytest.fixture(scope="module")
def deputy(authority: Authority) -> Person:
    return authority.person("L'adjoint")


@pytest.fixture(scope="module")
def signed(mayor: Person) -> bytes:
    return sign_pdf(PDF, mayor)


def on_file(data: bytes, read: Callable[[Sequence[int]], Signatures]) -> Signatures:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return read([file.fileno()])


def inside(data: bytes) -> Signatures:
    return on_file(data, lambda files: read_signatures(PdfSignaturesOrder(), files))


def beside(text: str, data: bytes) -> Signatures:
    return on_file(data, lambda files: read_detached(Detached(text), files))


def facts(one: Signature) -> tuple[object, ...]:
    return one.name, one.intact, one.valid, one.covers, one.changes, one.fault


HOLDS = (True, True, "file", "none", "")


def test_one_that_is_not_signed_has_none() -> None:
    assert inside(PDF) == Signatures()
    assert inside(b"") == Signatures()
    assert inside(PDF[:-30]) == Signatures()


@pytest.mark.parametrize("pades", [True, False])
def test_one_signature(mayor: Person, pades: bool) -> None:
    [one] = inside(sign_pdf(PDF, mayor, pades=pades)).found
    assert facts(one) == ("Maire", *HOLDS)
    assert (one.kind, one.digest, one.stamped_at, len(one.others)) == ("signature", "sha256", None, 1)
    assert one.signed_at is not None
    assert one.signed_at.tzinfo is not None
    assert b"Le maire" in one.certificate


def test_what_was_signed_before_a_second_signature_still_holds(signed: bytes, deputy: Person) -> None:
    first, second = inside(sign_pdf(signed, deputy, "Adjoint")).found
    assert facts(first) == ("Maire", True, True, "revision", "allowed", "")
    assert facts(second) == ("Adjoint", *HOLDS)


def test_a_time_stamp_over_the_signature_tells_its_time(mayor: Person, deputy: Person) -> None:
    [one] = inside(sign_pdf(PDF, mayor, stamped_by=deputy)).found
    assert one.stamped_at is not None
    assert facts(one) == ("Maire", *HOLDS)


def test_a_changed_byte_is_seen(signed: bytes) -> None:
    [one] = inside(signed.replace(b"Deliberation", b"Deliberatiom")).found
    assert (one.intact, one.valid) == (False, True)


def test_what_is_added_after_is_seen(signed: bytes, mayor: Person) -> None:
    """Another content for the page, in a revision of its own: every signed byte is still there."""
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    page = writer.root["/Pages"]["/Kids"][0]
    content = writer.add_object(generic.StreamObject(stream_data=b"BT /F1 40 Tf 72 500 Td (Autre decision) Tj ET"))
    page[generic.NameObject("/Contents")] = content
    writer.mark_update(page.container_ref)
    changed = io.BytesIO()
    writer.write(changed)  # type: ignore[no-untyped-call]
    [one] = inside(changed.getvalue()).found
    assert facts(one) == ("Maire", True, True, "revision", "suspicious", "")
    # and still, when the change is signed in its turn
    first, second = inside(sign_pdf(changed.getvalue(), mayor, "Autre")).found
    assert (first.changes, facts(second)) == ("suspicious", ("Autre", *HOLDS))


def test_a_document_saved_again_has_lost_its_signature(signed: bytes) -> None:
    """By a tool that rewrites the file: the signature went into a compressed object, or its bytes have moved."""
    for mode in (pikepdf.ObjectStreamMode.generate, pikepdf.ObjectStreamMode.disable):
        target = io.BytesIO()
        with pikepdf.open(io.BytesIO(signed)) as pdf:
            pdf.save(target, object_stream_mode=mode)
        read = inside(target.getvalue())
        assert read.fault or any(not one.intact or one.fault for one in read.found)


def test_a_format_that_is_not_known_is_said(signed: bytes) -> None:
    [one] = inside(signed.replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1 ")).found
    assert one.fault


def test_damaged_anywhere_it_says_something(signed: bytes) -> None:
    """Bytes changed at random: a verdict, never an exception; never a signature that still holds over other bytes."""
    chance = random.Random(5)
    for _ in range(150):
        data = bytearray(signed)
        place = chance.randrange(len(data))
        old, data[place] = data[place], chance.randrange(256)
        read = inside(bytes(data))
        if read.found and facts(read.found[0])[1:] == HOLDS and old != data[place]:
            # only what stands in the hole of the byte range, where the signature itself is, is not signed
            start = signed.index(b"/Contents <") + 10
            assert start <= place <= signed.index(b">", start)


def test_beside_its_document(mayor: Person) -> None:
    [one] = beside(sign_apart(PDF, mayor), PDF).found
    assert facts(one) == ("", *HOLDS)
    assert (one.digest, len(one.others)) == ("sha256", 1)
    assert one.signed_at is not None
    [other] = beside(sign_apart(PDF, mayor), PDF + b"\n").found
    assert (other.intact, other.valid) == (False, True)


def test_beside_and_with_a_content_of_its_own(mayor: Person) -> None:
    [same] = beside(sign_apart(PDF, mayor, attached=True), PDF).found
    assert facts(same) == ("", *HOLDS)
    [another] = beside(sign_apart(b"autre chose", mayor, attached=True), PDF).found
    assert not another.intact


@pytest.mark.parametrize(
    "text",
    ["", "rien", "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----", "-----BEGIN PKCS7-----\n", "é" * 10],
)
def test_what_is_no_signature_is_said(text: str) -> None:
    read = beside(text, PDF)
    assert read.fault
    assert read.found == ()


def test_a_signature_value_of_another_key_is_seen(mayor: Person) -> None:
    lines = sign_apart(PDF, mayor).splitlines()
    lines[-3] = lines[-3].translate(str.maketrans("ABCDEFG", "HIJKLMN"))
    [one] = beside("\n".join(lines), PDF).found
    assert (one.intact, one.valid) == (True, False)
