"""Signed PES in their analysis: what leaves, what does not and with which words, what is kept and found again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tdt.config import Documents, Helios, Server
from tdt.db.helios_reports import Report, list_reports
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Temporary
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send, helios_view
from tests.dgfip_flows import sample
from tests.faults.plant import Plant, acquit, plant
from tests.pes_signing import PLAIN, Shape, at, everything, sign, signed, unsigned
from tests.postgres import TestDatabase
from tests.signing import DAY, Authority, Person, pem

INVALID = "La signature du fichier est invalide : "
OPERATOR = Actor(Source.CLI, None, "exploitant")
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class World:
    """The pipeline, and who signs: certified by an authority that it accepts, or by another."""

    works: Plant
    known: Authority
    other: Authority
    mayor: Person
    directory: Path


@asynccontextmanager
async def world(database: TestDatabase, directory: Path, documents: Documents | None = None) -> AsyncIterator[World]:
    known, other = Authority("AC reconnue"), Authority("AC inconnue")
    (directory / "crl").mkdir()
    authorities = directory / "rgs.pem"
    authorities.write_bytes(pem(known.root) + pem(known.below))
    (directory / "pes").mkdir()
    server = Server(transmit_authorities=str(authorities), crl_directory=str(directory / "crl"))
    helios = Helios(poll_seconds=0.2, stable_seconds=0.01, signature_authorities=str(directory / "pes"))
    async with plant(database, directory, server=server, helios=helios, documents=documents or Documents()) as works:
        yield World(works, known, other, known.person("Le maire"), directory)


@pytest.fixture
async def signers(database: TestDatabase, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, tmp_path) as running:
        yield running


async def analysed(works: Plant, data: bytes) -> tuple[int, str, Report | None]:
    """Status, last words of the workflow, the report on signatures."""
    flow = await works.submit_pes(data)
    await helios_send.analyse(works.deps, flow)
    return await outcome(works, flow)


async def outcome(works: Plant, flow: HeliosId) -> tuple[int, str, Report | None]:
    words = await works.value("select message from helios_workflow where transaction_id = $1 order by id desc", flow)
    async with works.deps.transaction("system") as connection:
        reports = [one for one in await list_reports(connection, flow) if one.aspect == "signature"]
    return await works.helios_status(flow), words, reports[0] if reports else None


def entries(report: Report | None) -> list[dict[str, Any]]:
    assert report is not None
    found = report.data["signatures"]
    assert isinstance(found, list)
    return found


def remarks(report: Report | None) -> str:
    assert report is not None
    return str(report.data["remarks"])


async def test_a_signed_flow_goes_to_the_dgfip_and_back(signers: World) -> None:
    works, data = signers.works, everything(signers.mayor, Shape(digest="sha1"))
    flow = await works.queued_pes(data)
    await helios_send.transmit(works.deps, flow)
    assert [path.read_bytes() for path in works.ftp.sent.iterdir()] == [data]
    assert (await works.ingest_file(acquit("PES-SIGNE-1")))[0] == "handled"
    assert await works.helios_life(flow) == [1, 2, 3, 8]


async def test_the_report_says_who_signed_what_and_how_it_was_judged(signers: World) -> None:
    status, _, report = await analysed(signers.works, everything(signers.mayor))
    assert status == 2
    assert report is not None
    assert (report.verdict, report.data["remarks"]) == ("passed", [])
    first, second, whole = entries(report)
    assert (first["scope"], first["target"], first["number"], first["exercice"]) == ("bordereau", "B12", "12", "2026")
    assert (second["number"], whole["scope"], whole["target"]) == ("13", "global", "FLUX1")
    assert (whole["subject"], whole["issuer"]) == ("CN=Le maire", "CN=AC reconnue fille")
    assert whole["serial"] == f"{signers.mayor.certificate.serial_number:x}"
    assert whole["chain"] == ["CN=Le maire", "CN=AC reconnue fille", "CN=AC reconnue"]
    assert PLAIN.at is not None
    assert whole["signing_time"] == whole["judged_at"] == PLAIN.at.isoformat()
    assert (whole["method"], whole["digest"], whole["weak"]) == ("rsa-sha256", "sha256", False)
    assert whole["policy"].startswith("urn:oid:1.2.250.1.131.1.5.18.21.1.")
    assert whole["revocation"]["source"] == "none"
    assert [one["fault"] for one in (first, second, whole)] == ["", "", ""]


async def test_without_signature_it_leaves_and_what_the_dgfip_would_refuse_is_told(signers: World) -> None:
    assert (await analysed(signers.works, sample()))[::2] == (2, None)
    status, _, report = await analysed(signers.works, unsigned("12"))
    assert report is not None
    assert (status, report.verdict) == (2, "not_applicable")
    assert "InfoDematerialisee = 1 et rien n'y est signé : la DGFiP rejette un tel flux" in remarks(report)


async def test_what_the_dgfip_would_say(signers: World) -> None:
    cases = [
        ("0", ["B12"], "InfoDematerialisee = 0 et contient des signatures"),
        ("0", ["FLUX1"], "que comme signature technique"),
        ("1", ["B12"], "1 de ses 2 bordereaux ne sont pas signés"),
        ("1", ["FLUX1"], "[]"),
        ("1", ["B12", "B13"], "[]"),
    ]
    for number, (paperless, holders, words) in enumerate(cases):
        data = unsigned("12", "13", name=f"PES-{number}", paperless=paperless)
        for holder in holders:
            data = sign(data, signers.mayor, holder)
        status, _, report = await analysed(signers.works, data)
        assert status == 2
        assert words in remarks(report)


async def test_a_flow_changed_after_its_signature(signers: World) -> None:
    data = signed(signers.mayor).replace(b'<MtHT V="100.00"/>', b'<MtHT V="900.00"/>')
    status, words, report = await analysed(signers.works, data)
    assert (status, words) == (-1, f"{INVALID}Impossible d'affirmer que la signature correspond au fichier")
    [one] = entries(report)
    assert (one["intact"], one["valid"], one["chain"], one["number"]) == (False, True, [], "12")


async def test_one_bad_signature_of_three_is_enough(signers: World) -> None:
    data = sign(sign(unsigned("12", "13"), signers.mayor), signers.other.person("Un inconnu"), "B13")
    status, words, report = await analysed(signers.works, data)
    assert (status, words) == (
        -1,
        f"{INVALID}bordereau 13 de 2026, le certificat du signataire n'est pas accepté : "
        "il ne mène à aucune autorité acceptée pour la télétransmission",
    )
    assert [bool(one["fault"]) for one in entries(report)] == [False, True]


async def test_more_authorities_for_those_who_sign_only(signers: World) -> None:
    (signers.directory / "pes" / "autre.pem").write_bytes(pem(signers.other.root) + pem(signers.other.below))
    status, _, report = await analysed(signers.works, signed(signers.other.person("Un ordonnateur")))
    assert status == 2
    assert entries(report)[0]["chain"][-1] == "CN=AC inconnue"


async def test_a_certificate_is_judged_at_the_date_of_the_signature(signers: World) -> None:
    ended = signers.known.person("Parti", ended=True)
    moments = {
        "before its end": (NOW - 5 * DAY, ""),
        "after": (NOW - timedelta(hours=1), "il a pris fin le "),
        "no date": (None, "il a pris fin le "),
        "a date to come": (NOW + 3 * DAY, "il a pris fin le "),
        "before its beginning": (NOW - 500 * DAY, "il ne vaut qu'à partir du "),
        "long before": (datetime(1000, 1, 1, tzinfo=UTC), "il ne vaut qu'à partir du "),
    }
    prefix = f"{INVALID}bordereau 12 de 2026, le certificat du signataire n'est pas accepté : "
    for name, (moment, words) in moments.items():
        status, told, report = await analysed(signers.works, signed(ended, replace(PLAIN, at=moment), name))
        assert (status, told.startswith(prefix + words)) == ((-1, True) if words else (2, False)), (name, told)
        assert bool(entries(report)[0]["chain_fault"]) is bool(words)


async def test_revocation_counts_from_its_date(signers: World) -> None:
    cases = {
        "revoked after": (2 * DAY, None, 3 * DAY, True),
        "revoked before": (2 * DAY, None, timedelta(hours=1), False),
        "key lost before": (2 * DAY, 5 * DAY, 3 * DAY, False),
    }
    for name, (since, lost, signed_before, accepted) in cases.items():
        (signers.directory / "crl" / "fille.crl").write_bytes(signers.known.revoke(signers.mayor, since, lost))
        data = signed(signers.mayor, at(NOW - signed_before), name)
        status, words, report = await analysed(signers.works, data)
        [one] = entries(report)
        assert (one["revoked_at"] is not None, one["revocation"]["source"]) == (True, "crl")
        assert status == (2 if accepted else -1), name
        assert accepted or "le certificat du signataire n'est pas accepté : il est révoqué depuis le " in words


async def test_without_authorities_a_signed_flow_waits(signers: World) -> None:
    authorities = signers.directory / "rgs.pem"
    kept = authorities.read_bytes()
    authorities.unlink()
    flow = await signers.works.submit_pes(signed(signers.mayor))
    with pytest.raises(Temporary) as caught:
        await helios_send.analyse(signers.works.deps, flow)
    assert caught.value.code == "REGLAGE"
    assert await signers.works.helios_life(flow) == [1]
    authorities.write_bytes(kept)
    await helios_send.analyse(signers.works.deps, flow)
    assert await signers.works.helios_life(flow) == [1, 2]


async def test_one_that_is_too_much_for_children_waits_then_is_refused(database: TestDatabase, tmp_path: Path) -> None:
    async with world(database, tmp_path, Documents(seconds=0.0001)) as signers:
        works = signers.works
        flow = await works.submit_pes(signed(signers.mayor))
        for tries in (1, 2):
            with pytest.raises(Temporary) as caught:
                await helios_send.analyse(works.deps, flow)
            assert caught.value.code == "CONTROLE_INTERROMPU"
            _, _, report = await outcome(works, flow)
            assert report is not None
            assert (report.verdict, report.data["tries"], report.data["cause"]) == ("pending", tries, "time")
        await helios_send.analyse(works.deps, flow)
        status, words, report = await outcome(works, flow)
        assert (status, words) == (
            -1,
            f"{INVALID}le fichier n'a pas pu être contrôlé après 3 essais : il demande trop de temps",
        )
        assert report is not None and (report.verdict, report.data["code"]) == ("refused", "CONTROLE_IMPOSSIBLE")


async def test_the_kept_flow_is_judged_again(signers: World) -> None:
    works = signers.works
    flow = await works.submit_pes(everything(signers.mayor))
    await helios_send.analyse(works.deps, flow)
    works.elapse(200 * DAY)
    again = await helios_send.replay_signatures(works.deps, OPERATOR, flow)
    assert (again["kept_verdict"], again["same"], again["differences"], again["reason"]) == ("passed", True, [], "")
    (signers.directory / "crl" / "fille.crl").write_bytes(signers.known.revoke(signers.mayor, 3 * DAY))
    before = await outcome(works, flow)
    again = await helios_send.replay_signatures(works.deps, OPERATOR, flow)
    differences = again["differences"]
    assert isinstance(differences, list)
    assert again["same"] is False
    assert {one["field"] for one in differences} == {"chain_fault", "revocation", "revoked_at", "fault"}
    assert "il est révoqué depuis le" in str(again["reason"])
    assert await outcome(works, flow) == before


async def test_the_life_of_a_flow_shows_its_signatures(signers: World) -> None:
    works = signers.works
    flow = await works.submit_pes(signed(signers.mayor))
    await helios_send.analyse(works.deps, flow)
    life = await helios_view.view(works.deps, OPERATOR, flow)
    reports = life["reports"]
    assert isinstance(reports, list)
    [one] = [one for one in reports if one["aspect"] == "signature"]
    assert (one["verdict"], one["data"]["signatures"][0]["subject"]) == ("passed", "CN=Le maire")
