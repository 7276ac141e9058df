"""What the DGFiP simulator answers: its behaviours, its control API, kill -9 at any instant, flows of any size."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lxml import etree

from tdt.simulators.dgfip import MODES
from tests.dgfip_flows import Slip, attachment, attachments, blocks, flow, large_flow, sample
from tests.dgfip_simulator import (
    METADATA,
    NAME,
    Process,
    Simulator,
    announce,
    codes,
    exchange,
    open_sftp,
    put,
    simulator,
    states,
    take_all,
    wait_for,
)
from tests.helios_xsd import check, schema_pack


@pytest.fixture
async def dgfip(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulator(tmp_path) as running:
        await running.post("/dgfip/behaviour", delay=0)
        yield running


# --- the behaviours


@pytest.mark.parametrize(
    ("mode", "count", "expected"),
    [("ok", 1, ["1", "1"]), ("ko", 1, ["0", "1"]), ("v1", 1, ["1", "1"]), ("technical", 1, ["0"])],
)
async def test_the_acquit_that_was_ordered(dgfip: Simulator, mode: str, count: int, expected: list[str]) -> None:
    await dgfip.post("/dgfip/behaviour", acquit=mode)
    acquits = await asyncio.to_thread(exchange, dgfip, sample())
    assert [states(acquit) for acquit in acquits] == [expected] * count


async def test_a_duplicate_is_the_same_acquit_under_two_names(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="duplicate")
    first, second = await asyncio.to_thread(exchange, dgfip, sample(), count=2)
    assert first == second


async def test_what_gets_no_answer(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="never")
    with dgfip.connect() as ftp:
        await asyncio.to_thread(put, ftp, sample())
        await dgfip.post("/dgfip/behaviour", acquit="ok")
        await asyncio.to_thread(put, ftp, flow())
        await asyncio.to_thread(put, ftp, b"not XML")
        await asyncio.to_thread(put, ftp, sample().replace(b"PES_Aller", b"PES_ACQUIT_RETOUR"))
        await asyncio.to_thread(put, ftp, sample("LE-DERNIER"))
        [acquit] = (await asyncio.to_thread(wait_for, ftp)).values()
    assert b"LE-DERNIER" in acquit
    assert len(await dgfip.received()) == 5


async def test_the_delay_is_kept(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", delay=0.6)
    started = time.monotonic()
    await asyncio.to_thread(exchange, dgfip, sample())
    assert 0.6 <= time.monotonic() - started < 5


async def test_automatic_duplicates(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="auto")
    first, second, third = await asyncio.to_thread(
        exchange, dgfip, sample(), sample("ENCORE"), sample("AUTRE-BORDEREAU", number="13")
    )
    assert codes(first) == []
    assert codes(second) == ["ERREUR_DOUBLON_BORDEREAU", "ERREUR_DOUBLON_PJ"]
    assert codes(third) == ["ERREUR_DOUBLON_PJ"]
    twice = flow(blocks([Slip("20"), Slip("20"), Slip("20", kind="02"), Slip("20", expense=False)]), name="DEUX-FOIS")
    [acquit] = await asyncio.to_thread(exchange, dgfip, twice)
    assert states(acquit) == ["1", "0", "1", "1"]


async def test_automatic_checks_the_metadata(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="auto")
    with dgfip.connect() as ftp:
        await asyncio.to_thread(put, ftp, sample(), NAME, {**METADATA, "P_MSG": "PES#999#034001#00"})
        [acquit] = (await asyncio.to_thread(wait_for, ftp)).values()
    assert b"UNKNOWN_TYPE" in acquit
    assert b"P_MSG" in acquit


async def test_automatic_rejects_a_broken_file_whose_name_is_known(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="auto")
    [acquit] = await asyncio.to_thread(exchange, dgfip, sample()[:-9])
    assert b"UNKNOWN_TYPE" in acquit
    assert b"FLUX-ESSAI-1" in acquit


async def test_automatic_with_the_official_schema(tmp_path: Path) -> None:
    pack = schema_pack()
    if pack is None:
        pytest.skip("the official PES schemas are absent")
    async with simulator(tmp_path, schemas=str(pack), sftp_port=None) as running:
        await running.post("/dgfip/behaviour", acquit="auto", delay=0)
        accepted, refused = await asyncio.to_thread(
            exchange, running, sample(), sample("NATURE").replace(b'NatPce V="01"', b'NatPce V="99"')
        )
        assert states(accepted) == ["1", "1"]
        assert b"UNKNOWN_TYPE" in refused
        assert b"NatPce" in refused


# --- control


async def test_what_becomes_of_an_accepted_flow_comes_day_after_day(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", delay=0, retours="paid", retour_delay=0.05)
    both = flow(blocks([Slip("12"), Slip("5", expense=False)]), name="SUIVI")
    await dgfip.post("/dgfip/behaviour", acquit="ko_piece")
    await asyncio.to_thread(exchange, dgfip, flow(blocks([Slip("11")]), name="REFUSE"))
    await dgfip.post("/dgfip/behaviour", acquit="ok")
    with dgfip.connect() as ftp:
        await asyncio.to_thread(put, ftp, both)
        taken = await asyncio.to_thread(wait_for, ftp, 7)
    told: dict[str, list[tuple[str, str | None, str | None]]] = {"DEP": [], "RCE": []}
    for name in sorted(taken, key=lambda name: name.rpartition("_")[2]):
        assert check(taken[name]) == []
        if name.startswith("PES2R_"):
            root = etree.fromstring(taken[name])
            state, number = root.find(".//EtatPce"), root.find(".//IdBord")
            assert state is not None and number is not None
            told[name.split("_")[1]].append((name.split("_")[2], state.get("V"), number.get("V")))
    assert told["DEP"] == [("P", "01", "12"), ("P", "02", "12"), ("P", "05", "12")]
    assert told["RCE"] == [("P", "01", "5"), ("P", "02", "5"), ("S", "02", "5")]


async def test_every_acquit_follows_the_schema_but_those_whose_point_is_not_to(dgfip: Simulator) -> None:
    """Each mode, on a flow of dépense, recette and PJ."""
    await dgfip.post("/dgfip/behaviour", delay=0)
    for number, mode in enumerate(set(MODES) - {"never"}):
        content = flow(
            blocks([Slip(str(number + 1)), Slip(str(number + 1), expense=False)]),
            attachments(attachment(f"PJ{number}")),
            name=f"FLUX-{number}",
        )
        await dgfip.post("/dgfip/behaviour", acquit=mode)
        with dgfip.connect() as ftp:
            await asyncio.to_thread(put, ftp, content)
            acquits = await asyncio.to_thread(wait_for, ftp, 2 if mode == "duplicate" else 1)
        for acquit in acquits.values():
            faulty = mode in ("technical", "no_codcol") and schema_pack() is not None
            assert bool(check(acquit)) is faulty, mode
            assert (b"FLUX-%d" % number in acquit) is (mode != "stray")


@pytest.mark.parametrize(
    ("mode", "errors"),
    [
        ("ko", [["DetailLigne"]]), ("ko_piece", [["DetailPiece"]]), ("ko_bordereau", [["ElementACQUIT"]]),
        ("ko_pj", [["ElementACQUIT"]]),
    ],
)  # fmt: skip
async def test_a_refusal_stands_where_it_was_ordered(dgfip: Simulator, mode: str, errors: list[list[str]]) -> None:
    await dgfip.post("/dgfip/behaviour", acquit=mode)
    [acquit] = await asyncio.to_thread(exchange, dgfip, sample())
    root = etree.fromstring(acquit)
    assert [[str(one.getparent().tag)] for one in root.iter("Erreur")] == errors  # type: ignore[union-attr]
    assert states(acquit) == (["1", "0"] if mode == "ko_pj" else ["0", "1"])


@pytest.mark.parametrize(
    ("kind", "ending"), [("ocr", ".ocr"), ("ocre", ".OCRE"), ("unknown_root", ".xml"), ("empty", "")]
)
async def test_other_files_are_left(dgfip: Simulator, kind: str, ending: str) -> None:
    answer = await dgfip.post("/dgfip/other", kind=kind)
    assert answer["name"].endswith(ending)
    with dgfip.connect() as ftp:
        taken = await asyncio.to_thread(take_all, ftp)
    assert {name: len(content) for name, content in taken.items()} == {answer["name"]: answer["size"]}


@pytest.mark.parametrize("kind", ["depense", "recette", "client", "asap"])
async def test_a_retour_is_deposited(dgfip: Simulator, kind: str) -> None:
    for _ in range(2):
        await dgfip.post("/dgfip/retour", id_coll="12345678200010", kind=kind)
    with dgfip.connect() as ftp:
        taken = await asyncio.to_thread(take_all, ftp)
    assert len(taken) == 2
    for name, content in taken.items():
        assert name.startswith("PES2R_")
        assert b'"12345678200010"' in content
        assert [fault for fault in check(content) if "NomFic" not in fault] == []


async def test_a_retour_takes_the_header_of_the_flows_received(dgfip: Simulator) -> None:
    await asyncio.to_thread(exchange, dgfip, sample())
    answer = await dgfip.post("/dgfip/retour", id_coll="12345678200010", kind="depense")
    assert answer["name"].startswith("PES2R_DEP_P_012_00_034001_")


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("behaviour", {"acquit": "maybe"}),
        ("behaviour", {"acquit": ["ok"]}),
        ("behaviour", {"delay": -1}),
        ("behaviour", {"cut_at": "1"}),
        ("behaviour", {"outage": 1}),
        ("behaviour", {"other": 1}),
        ("retour", {"id_coll": "123", "kind": "depense"}),
        ("retour", {"id_coll": "12345678200010", "kind": "other"}),
        ("retour", {"id_coll": "12345678200010"}),
        ("retour", {"id_coll": "12345678200010", "kind": "depense", "restitution": "S"}),
        ("retour", {"id_coll": "12345678200010", "kind": "depense", "size": -1}),
        ("other", {"kind": "autre"}),
        ("behaviour", {"retours": "maybe"}),
        ("deposit", {"name": "../a", "content_base64": ""}),
        ("deposit", {"name": "", "content_base64": ""}),
        ("deposit", {"name": "a", "content_base64": "é"}),
        ("deposit", {"name": "a"}),
    ],
)
async def test_a_bad_order_is_refused(dgfip: Simulator, path: str, order: dict[str, Any]) -> None:
    assert (await dgfip.post(f"/dgfip/{path}", status=400, **order))["error"]


async def test_behaviours_keep_what_is_left_out(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", acquit="ko")
    assert await dgfip.post("/dgfip/behaviour", delay=1.5) == {
        "acquit": "ko",
        "delay": 1.5,
        "outage": False,
        "cut_at": None,
        "retours": "none",
        "retour_delay": 0.5,
    }
    assert (await dgfip.get("/dgfip/received/7"))["error"]


async def test_reset_forgets_everything(tmp_path: Path) -> None:
    async with simulator(tmp_path, sftp_port=None) as running:
        await running.post("/dgfip/behaviour", acquit="auto", delay=0)
        await asyncio.to_thread(exchange, running, sample())
        await running.post("/dgfip/deposit", name="a.xml", content_base64="YQ==")
        await running.post("/dgfip/behaviour", delay=0.3)
        with running.connect() as ftp:
            await asyncio.to_thread(put, ftp, sample("ENCORE"))
            await running.post("/reset")
            assert await running.received() == []
            assert ftp.nlst("/entree") == ftp.nlst("/sortie") == []
        assert (await running.post("/dgfip/behaviour"))["acquit"] == "ok"
        await running.post("/dgfip/behaviour", acquit="auto", delay=0)
        [acquit] = await asyncio.to_thread(exchange, running, sample())
        assert states(acquit) == ["1", "1"]  # no duplicate: the register is empty too


# --- kill -9 and size


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    one = Process(tmp_path)
    yield one
    one.kill()


async def test_killed_between_reception_and_acquit(process: Process) -> None:
    first = process.start()
    await first.post("/dgfip/behaviour", acquit="duplicate", delay=0.4)
    with first.connect() as ftp:
        await asyncio.to_thread(put, ftp, sample())
        process.kill()
    second = process.start()
    assert len(await second.received()) == 1
    with second.connect() as ftp:
        assert ftp.nlst("/entree") == [NAME]
        taken = await asyncio.to_thread(wait_for, ftp, 2)
        process.kill()
    third = process.start()
    await third.post("/dgfip/behaviour", acquit="ok", delay=0)
    with third.connect() as ftp:
        await asyncio.to_thread(put, ftp, sample("SENTINELLE"))
        [last] = (await asyncio.to_thread(wait_for, ftp)).values()
    assert len(taken) == 2
    assert b"SENTINELLE" in last


async def test_killed_again_and_again_each_acquit_comes_once(process: Process) -> None:
    """Kills at instants spread over reception, reading and delivery; what was acknowledged is acquitted once."""
    running = process.start()
    await running.post("/dgfip/behaviour", delay=0)
    sent: list[str] = []
    taken: dict[str, bytes] = {}
    for turn in range(8):
        name = f"TOUR-{turn}"
        with running.connect() as ftp:
            await asyncio.to_thread(put, ftp, sample(name, number=str(turn + 1)))
            sent.append(name)
            await asyncio.sleep(turn * 0.004)
            process.kill()
        running = process.start()
        with running.connect() as ftp:
            taken |= await asyncio.to_thread(take_all, ftp)
    with running.connect() as ftp:
        taken |= await asyncio.to_thread(wait_for, ftp, len(sent) - len(taken)) if len(taken) < len(sent) else {}
        await asyncio.to_thread(put, ftp, sample("SENTINELLE", number="99"))
        taken |= await asyncio.to_thread(wait_for, ftp)
    names = [str(etree.fromstring(acquit).find(".//NomFic").get("V")) for acquit in taken.values()]  # type: ignore[union-attr]
    assert sorted(names) == sorted([*sent, "SENTINELLE"])


def peak_memory(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.parametrize("way", ["ftp", "sftp"])
@pytest.mark.parametrize("count", [1, 500])
async def test_the_memory_does_not_follow_the_size(process: Process, tmp_path: Path, way: str, count: int) -> None:
    large = tmp_path / "large.xml"
    with large.open("wb") as file:
        file.writelines(large_flow(96 << 20, count))
    running = process.start()
    await running.post("/dgfip/behaviour", delay=0)
    await asyncio.to_thread(exchange, running, sample())
    assert process.child is not None
    memory = psutil.Process(process.child.pid)
    before = memory.memory_info().rss
    if way == "ftp":
        with running.connect() as ftp, large.open("rb") as source:
            announce(ftp)
            await asyncio.to_thread(ftp.storbinary, f"STOR /entree/{NAME}", source, 1 << 16)
    else:
        with large.open("rb") as source:
            sha1 = hashlib.file_digest(source, "sha1").hexdigest()
        async with await open_sftp(running) as connection, connection.start_sftp_client() as sftp:
            await sftp.put(str(large), "/entree/" + "%%".join([*METADATA.values(), sha1]))
    with running.connect() as ftp:
        [acquit] = (await asyncio.to_thread(wait_for, ftp)).values()
    assert len(states(acquit)) == count + 1
    peak = await asyncio.to_thread(peak_memory, memory.pid)
    assert peak - before < 48 << 20
