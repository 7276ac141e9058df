"""Signed documents in the analysis of an act: what leaves, what does not, and what the report keeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tdt.config import Actes, Server
from tdt.db.acte_reports import Report, list_reports
from tdt.db.classifications import insert_classification
from tdt.db.content import insert_small
from tdt.domain.actes.model import PostedFile, Submission
from tdt.domain.errors import Temporary
from tdt.domain.ids import ActeId
from tdt.flows import actes_send, actes_submit
from tests.faults.plant import Plant, classification, plant
from tests.pdf_files import PDF
from tests.postgres import TestDatabase
from tests.signing import Authority, Person, pem, sign_apart, sign_pdf
from tests.trusted_lists import reference
from tests.unit.certificates.test_xades import Made, write


@dataclass(frozen=True, slots=True)
class World:
    """The pipeline, and who signs: certified by an authority that it accepts, or by another."""

    works: Plant
    known: Authority
    mayor: Person
    stranger: Person


@asynccontextmanager
async def world(database: TestDatabase, directory: Path, verify: bool = True) -> AsyncIterator[World]:
    known, other = Authority("AC reconnue"), Authority("AC inconnue")
    crl = directory / "crl"
    crl.mkdir()
    server = Server(transmit_authorities=known.write(directory / "rgs.pem"), crl_directory=str(crl))
    actes = Actes(verify_signing_certificate=verify)
    async with plant(database, directory, server=server, actes=actes) as works:
        yield World(works, known, known.person("Le maire"), other.person("Un inconnu"))


@pytest.fixture
async def signers(database: TestDatabase, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, tmp_path) as running:
        yield running


async def submit(works: Plant, pdf: bytes, apart: str = "", market: bool = False, annexe: bytes = b"") -> ActeId:
    annexes = [annexe] if annexe else []
    submission = Submission(
        nature_code="4" if market else "1",
        number="2026_017",
        decision_date="2026-03-09",
        subject="Été",
        classif=("1", "1") if market else ("7", "5"),
        type_acte="99_DC" if market else "99_DE",
        acte=PostedFile("acte.pdf", len(pdf), pdf[:4096]),
        acte_signature=apart,
        attachments=tuple(PostedFile("annexe.pdf", len(one), one[:4096]) for one in annexes),
        type_pj=("99_SE",) * len(annexes),
    )
    bodies = actes_submit.SubmittedBodies(await works.body(pdf), tuple([await works.body(one) for one in annexes]))
    return await actes_submit.submit(works.deps, works.people["A"], submission, bodies)


async def permit_contracts(works: Plant) -> None:
    """A newer classification, whose nature 6 has become nature 4 (contrats), with its typologie."""
    day, xml = classification()
    newer = xml.replace(b'CodeNatureActe="6"', b'CodeNatureActe="4"').replace(b"99_AU", b"99_DC")
    mine = works.people["A"].user.authority_id
    assert mine is not None
    async with works.deps.transaction("system") as connection:
        content = await insert_small(connection, mine, newer)
        await insert_classification(connection, mine, day + timedelta(days=1), content)


async def analysed(works: Plant, acte: ActeId) -> tuple[int, str, list[Report]]:
    """Status, last words of the workflow, reports on signatures."""
    await actes_send.analyse(works.deps, acte)
    words = await works.value("select message from acte_workflow where transaction_id = $1 order by id desc", acte)
    async with works.deps.transaction("system") as connection:
        reports = [one for one in await list_reports(connection, acte) if one.aspect == "signature"]
    return await works.acte_status(acte), words, reports


def entries(report: Report) -> list[dict[str, Any]]:
    found = report.data["signatures"]
    assert isinstance(found, list)
    return found


async def test_a_document_without_signature_passes_without_report(signers: World) -> None:
    assert await analysed(signers.works, await submit(signers.works, PDF)) == (1, "Dépôt initial", [])


async def test_a_signed_one_leaves_and_its_report_says_who_signed_what(signers: World) -> None:
    pdf = sign_pdf(sign_pdf(PDF, signers.mayor), signers.known.person("L'adjoint"), "Adjoint")
    status, _, [report] = await analysed(signers.works, await submit(signers.works, pdf))
    assert (status, report.position, report.verdict) == (1, 1, "passed")
    first, second = entries(report)
    assert (first["name"], first["subject"], first["issuer"]) == ("Maire", "CN=Le maire", "CN=AC reconnue fille")
    assert first["serial"] == f"{signers.mayor.certificate.serial_number:x}"
    assert first["chain"] == ["CN=Le maire", "CN=AC reconnue fille", "CN=AC reconnue"]
    assert (first["covers"], first["changes"], first["digest"]) == ("revision", "allowed", "sha256")
    assert first["signed_at"].startswith("20")
    assert (second["covers"], second["fault"], second["chain_fault"]) == ("file", "", "")


async def test_a_document_changed_after_its_signature_is_refused(signers: World) -> None:
    pdf = sign_pdf(PDF, signers.mayor).replace(b"Deliberation", b"Deliberatiom")
    status, words, [report] = await analysed(signers.works, await submit(signers.works, pdf))
    assert (status, report.verdict) == (-1, "refused")
    assert words == (
        "Enveloppe invalide : La signature « Maire » du fichier 99_DE-034-123456782-20260309-2026_017-DE-1-1_1.pdf "
        "n'est pas valide : le document n'est pas celui qui a été signé. Faites signer à nouveau le document."
    )


async def test_a_signer_of_no_accepted_authority_is_refused(signers: World) -> None:
    pdf = sign_pdf(sign_pdf(PDF, signers.mayor), signers.stranger, "Inconnu")
    status, words, [report] = await analysed(signers.works, await submit(signers.works, pdf))
    assert status == -1
    assert "La signature « Inconnu »" in words
    assert "le certificat du signataire n'est pas accepté : il ne mène à aucune autorité acceptée" in words
    first, second = entries(report)
    assert (first["fault"], bool(second["fault"]), second["chain"]) == ("", True, [])


async def test_those_of_marches_publics_may_be_of_any_authority_but_must_hold(signers: World) -> None:
    pdf = sign_pdf(PDF, signers.stranger)
    await permit_contracts(signers.works)
    status, words, [report] = await analysed(signers.works, await submit(signers.works, pdf, market=True))
    assert (status, report.verdict, report.data["certificates_required"]) == (1, "passed", False), words
    assert entries(report)[0]["chain_fault"]


async def test_those_of_marches_publics_must_hold(signers: World) -> None:
    pdf = sign_pdf(PDF, signers.stranger).replace(b"Deliberation", b"Deliberatiom")
    await permit_contracts(signers.works)
    status, words, _ = await analysed(signers.works, await submit(signers.works, pdf, market=True))
    assert status == -1
    assert "le document n'est pas celui qui a été signé" in words


async def test_the_setting_leaves_integrity_alone(database: TestDatabase, tmp_path: Path) -> None:
    async with world(database, tmp_path, verify=False) as signers:
        status, _, [report] = await analysed(
            signers.works, await submit(signers.works, sign_pdf(PDF, signers.stranger))
        )
        assert (status, report.verdict) == (1, "passed")


async def test_ended_or_revoked_certificates_are_refused(signers: World, tmp_path: Path) -> None:
    ended = signers.known.person("Parti", ended=True)
    status, words, _ = await analysed(signers.works, await submit(signers.works, sign_pdf(PDF, ended)))
    assert status == -1
    assert "le certificat du signataire n'est pas accepté : il a pris fin le " in words
    await signers.works.value("update acte_transaction set number = 'AUTRE' returning id")
    (tmp_path / "crl" / "fille.crl").write_bytes(signers.known.revoke(signers.mayor))
    authorities = tmp_path / "rgs.pem"
    below = signers.known.below
    authorities.write_bytes(authorities.read_bytes() + pem(below))
    status, words, [report] = await analysed(signers.works, await submit(signers.works, sign_pdf(PDF, signers.mayor)))
    assert status == -1
    assert "il est révoqué" in words
    assert entries(report)[0]["revocation"]["source"] == "crl"


async def test_a_detached_signature_is_checked_against_the_very_bytes(signers: World) -> None:
    apart = sign_apart(PDF, signers.mayor)
    status, words, [report] = await analysed(signers.works, await submit(signers.works, PDF, apart))
    assert (status, report.verdict) == (1, "passed"), words
    assert entries(report)[0]["subject"] == "CN=Le maire"
    message = await signers.works.value("select signature from acte_file where position = 1")
    assert message == apart.rstrip()


@pytest.mark.parametrize("apart", ["of another", "of a stranger", "nothing"])
async def test_a_detached_signature_that_does_not_hold_is_refused(signers: World, apart: str) -> None:
    texts = {
        "of another": sign_apart(PDF + b"\n", signers.mayor),
        "of a stranger": sign_apart(PDF, signers.stranger),
        "nothing": "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
    }
    status, words, [report] = await analysed(signers.works, await submit(signers.works, PDF, texts[apart]))
    assert (status, report.verdict) == (-1, "refused")
    assert words.startswith("Enveloppe invalide : La signature du fichier 99_DE-")


async def test_a_signature_file_that_holds_none_is_said(signers: World) -> None:
    status, _, [report] = await analysed(signers.works, await submit(signers.works, PDF, annexe=PDF))
    assert (status, report.position, report.verdict) == (1, 2, "not_applicable")


async def test_a_file_of_xml_signatures_is_checked_against_the_act_beside_it(signers: World) -> None:
    beside = Made(reference("deliberation.pdf", "", PDF, "sha256"))
    acte = await submit(signers.works, PDF, annexe=write(signers.mayor, beside))
    status, words, [report] = await analysed(signers.works, acte)
    assert (status, report.position, report.verdict) == (1, 2, "passed"), words
    assert (entries(report)[0]["subject"], entries(report)[0]["unverified"]) == ("CN=Le maire", "")


@pytest.mark.parametrize("wrong", ["another document", "a stranger", "changed"])
async def test_a_file_of_xml_signatures_that_does_not_hold(signers: World, wrong: str) -> None:
    beside = Made(reference("deliberation.pdf", "", PDF, "sha256"))
    annexes = {
        "another document": write(signers.mayor, Made(reference("a.pdf", "", PDF + b" ", "sha256"))),
        "a stranger": write(signers.stranger, beside),
        "changed": write(signers.mayor, beside).replace(b"10:00:00", b"11:00:00"),
    }
    acte = await submit(signers.works, PDF, annexe=annexes[wrong])
    status, words, [report] = await analysed(signers.works, acte)
    if wrong == "another document":
        # what it is about is not there to be compared: told, and left to whoever reads it
        assert (status, report.verdict) == (1, "not_applicable")
        assert "n'est pas dans l'acte" in entries(report)[0]["unverified"]
    else:
        assert (status, report.verdict) == (-1, "refused")
        assert words.startswith("Enveloppe invalide : La signature « S1 » du fichier 99_SE-")


async def test_without_authorities_a_signed_act_waits(database: TestDatabase, tmp_path: Path) -> None:
    async with world(database, tmp_path) as signers:
        acte = await submit(signers.works, sign_pdf(PDF, signers.mayor))
        authorities = tmp_path / "rgs.pem"
        kept = authorities.read_bytes()
        authorities.unlink()
        with pytest.raises(Temporary) as caught:
            await actes_send.analyse(signers.works.deps, acte)
        assert caught.value.code == "REGLAGE"
        assert await signers.works.acte_life(acte) == [1]
        authorities.write_bytes(kept)
        assert (await analysed(signers.works, acte))[0] == 1
