"""Flows compared with schemas in a child: constant memory whatever the PJ weigh; the official sets, if there."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tdt.documents.child import ChildFailed, Children, Limits
from tdt.documents.schema_archive import pack, read_set
from tdt.documents.schemas import CHECK_FLOW, COMPILE_SET, ActiveSet, Checked, CheckOrder, SetOrder
from tdt.domain.errors import Refused
from tests.dgfip_flows import Slip, blocks, flow, large_flow
from tests.schema_sets import OFFICIAL, official_set, small_set
from tests.xsd import record_xsd_check, shared_directory

MEMORY = 100 << 20


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    made = Children(1, Limits(memory_bytes=MEMORY, seconds=60))
    yield made
    await made.close()


@contextmanager
def opened(chunks: Iterator[bytes]) -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        yield file.fileno()


async def check(
    children: Children, chunks: Iterator[bytes], files: dict[str, bytes], limits: Limits | None = None
) -> Checked:
    archive = pack(files)
    with opened(iter([archive])) as packed, opened(chunks) as file:
        compiled = await children.run(COMPILE_SET, SetOrder(), [packed])
        return await children.run(CHECK_FLOW, CheckOrder([ActiveSet("essai", compiled.roots)]), [file, packed], limits)


@pytest.mark.parametrize("count", [1, 150])
async def test_a_flow_larger_than_its_memory_is_compared_to_its_end(count: int, children: Children) -> None:
    def chunks() -> Iterator[bytes]:
        *most, last = large_flow(150 << 20, count)
        yield from most
        yield last.replace(
            b"</PES_PJ>", b'\n<PJ><Contenu><Fichier>QUJD</Fichier></Contenu><NomPJ V="a.pdf"/></PJ></PES_PJ>'
        )

    checked = await check(children, chunks(), small_set())
    assert [(one["code"], one["line"]) for one in checked.findings] == [("XSD_ATTRIBUT", 3)]
    assert checked.controls == 0


async def test_a_flow_of_many_bordereaux_is_compared_to_its_end(children: Children) -> None:
    """12 MiB without a PJ, which would take ten times as much as a tree: no element is kept either."""
    slips = [Slip(number=str(number)) for number in range(1, 200)]
    part = blocks(slips).replace("<PES_DepenseAller>", "").replace("</PES_DepenseAller>", "")
    head, _, slip = part.partition("</EnTeteDepense>")
    start, end = flow("|").split(b"|")

    def chunks() -> Iterator[bytes]:
        yield start + f"<PES_DepenseAller>{head}</EnTeteDepense>".encode()
        for exercise in range(12 * 1024 * 1024 // len(slip)):
            yield slip.replace('V="2026"', f'V="{2026 + exercise}"').encode()
        yield b"</PES_DepenseAller>" + end

    checked = await check(children, chunks(), small_set(), Limits(64 << 20, 60))
    assert (checked.findings, checked.sets[0].faults) == ([], 0)


async def test_a_set_that_takes_too_much_is_given_up(children: Children) -> None:
    files = small_set()
    many = b'<xs:complexType name="Bloc"><xs:sequence minOccurs="9999" maxOccurs="9999">'
    files["essai/Rev0/PES_Aller.xsd"] = files["essai/Rev0/PES_Aller.xsd"].replace(
        b'<xs:complexType name="Bloc"><xs:sequence>', many
    )
    with pytest.raises((Refused, ChildFailed)):
        await check(children, iter([flow(blocks([Slip()]))]), files)
    checked = await check(children, iter([flow(blocks([Slip()]))]), small_set())
    assert checked.findings == []


# ---------------------------------------------------------------------------------------------- the official sets

SKELETONS = {
    "01": "", "02": "", "03": "", "04": "", "05": "", "30": "", "10": "", "18": "", "20": "", "22": "",
    "17": "XSD_MANQUANT", "41": "XSD_XML", "42": "XSD_MANQUANT", "43": "XSD_LONGUEUR", "44": "XSD_LONGUEUR",
    "45": "", "46": "XSD_INATTENDU", "47": "", "48": "XSD_VALEUR",
}  # fmt: skip


@pytest.mark.parametrize("version", OFFICIAL)
async def test_the_skeletons_are_judged_as_their_table_says(version: str, children: Children) -> None:
    directory = official_set(version)
    if directory is None:
        pytest.skip(f"official schemas: absent ({shared_directory()})")
    files = read_set(directory)
    with opened(iter([pack(files)])) as packed:
        roots = (await children.run(COMPILE_SET, SetOrder(), [packed])).roots
        assert len(roots) == 5
        order = CheckOrder([ActiveSet(version, roots)])
        for number, code in SKELETONS.items():
            [path] = shared_directory().glob(f"data/helios/skeletons/{number}_*.xml")
            checked = await _check_path(children, order, path, packed)
            record_xsd_check()
            assert [one["code"] for one in checked.findings] == ([code] if code else []), path.name
            if number == "48":
                [finding] = checked.findings
                assert finding["where"] == "dépense, bordereau 12 de 2026, pièce 345"
                assert b'NatPce V="99"' in path.read_bytes().split(b"\n")[int(str(finding["line"])) - 1]


async def _check_path(children: Children, order: CheckOrder, path: Path, packed: int) -> Checked:
    file = os.open(path, os.O_RDONLY)
    try:
        return await children.run(CHECK_FLOW, order, [file, packed])
    finally:
        os.close(file)
