"""The reference samples beside the repository, when they are there: what the analysis and the reader make of each."""

import tempfile
from pathlib import Path

import pytest

from tdt.certificates.pes_signatures import read_pes_signatures
from tdt.domain.errors import Refused
from tdt.domain.helios.model import PesHeader, ReturnKind
from tdt.domain.helios.pes import PesUnreadable
from tdt.domain.helios.rules import AnalysisFacts, check_naming, check_reading, check_sendable
from tdt.domain.helios.signatures import NOT_OF_THE_FILE, PesSignaturesOrder, find_reason
from tdt.domain.ids import HeliosId
from tdt.domain.signatures import Signer
from tests.unit.helios.samples import SHARED, read_pes, read_return

NO_DOMAIN = "ce fichier ne contient ni bordereau, ni PJ, ni marché"
FLOWS = {
    "skeletons/01": "",
    "skeletons/02": "",
    "skeletons/03": "",
    "skeletons/04": "",
    # signed: what is said of its signature, and of that of 47, is below
    "skeletons/05": "",
    "skeletons/30": "",
    "skeletons/40": "ce fichier n'est pas encodé en ISO-8859-1",
    "skeletons/41": "ce fichier n'est pas en XML",
    "skeletons/42": "La balise Enveloppe/Parametre/NomFic n'est pas présente ou est vide",
    "skeletons/43": "Le CodCol est trop long",
    "skeletons/44": "La balise IdCol est trop longue",
    "skeletons/45": NO_DOMAIN,
    "skeletons/46": "La balise EnTetePES/IdPost n'est pas présente ou est vide",
    "skeletons/47": "",
    "skeletons/48": "",
    "samples/s2low/pes_aller_ok": "",
    "samples/s2low/pes_aller_empty": NO_DOMAIN,
    "samples/s2low/PES_ACQUIT_RETOUR": "",
    "samples/pastell/helios-generique/HELIOS_SIMU_ALR2_1496987735": "",
}
SIGNED = {"skeletons/05", "skeletons/47"}
NOT_ANSWERED = {"skeletons/30", "samples/s2low/PES_ACQUIT_RETOUR"}
ACQUITS = (
    *(f"skeletons/{number}" for number in range(10, 19)),
    *(f"samples/s2low/pes_acquit{name}" for name in ("", "_modif", "_not_valid", "_wrongXsd")),
    "samples/pastell/fakeTdt/pes_acquit",
    "samples/pastell/glaneur-local/ACQUIT_PESALR2_49101169800000_171227_2045",
    "samples/stela/006111_190130123456-ACK-A3020100_A0000IDL_KO",
    "samples/stela/006111_190130123456-ACK-A3020100_A0000SDP_KO",
)
RETURNS = dict.fromkeys(ACQUITS, ReturnKind.ACQUIT)
RETURNS |= dict.fromkeys((f"skeletons/{number}" for number in range(20, 24)), ReturnKind.RETOUR)
RETURNS |= {"samples/s2low/pes_retour": ReturnKind.RETOUR}
WITHOUT_NOMFIC = {"samples/s2low/pes_acquit_wrongXsd"}


def find(start: str) -> Path:
    """The file of this path, else the one whose path begins so."""
    if not SHARED.is_dir():
        pytest.skip(f"reference samples: absent ({SHARED})")
    found = sorted(SHARED.glob(f"{start}.xml")) or sorted(SHARED.glob(f"{start}*.xml"))
    assert len(found) == 1, found
    return found[0]


def test_every_file_has_its_row() -> None:
    find("skeletons/01")
    files = {
        path.relative_to(SHARED) for folder in ("samples", "skeletons") for path in SHARED.glob(f"{folder}/**/*.xml")
    }
    assert files == {find(start).relative_to(SHARED) for start in (*FLOWS, *RETURNS)}


@pytest.mark.parametrize("start", FLOWS)
@pytest.mark.parametrize("step", [1 << 16, 13])
def test_flows(start: str, step: int) -> None:
    data = find(start).read_bytes()
    header: PesHeader | PesUnreadable
    try:
        header = read_pes(data, step)
    except PesUnreadable as error:
        header = error
    else:
        assert header.signed is (start in SIGNED)
        assert (header.root == "PES_ACQUIT_RETOUR") is (start in NOT_ANSWERED)
    refusal = ""
    facts = AnalysisFacts(HeliosId(1), data[:4096], sha1_unchanged=True)
    try:
        read = check_reading(header, facts)
        check_naming(read, None, HeliosId(1))
        check_sendable(read, "VHPCE11", HeliosId(1))
    except Refused as error:
        refusal = error.message.removeprefix("Transaction 1 : ")
    assert refusal == FLOWS[start]


@pytest.mark.parametrize(("start", "intact"), [("skeletons/05", True), ("skeletons/47", False)])
def test_signed_flows(start: str, intact: bool) -> None:
    """The fault of the altered one is its signature: nothing before it sees it."""
    with tempfile.TemporaryFile() as file:
        file.write(find(start).read_bytes())
        file.flush()
        [one] = read_pes_signatures(PesSignaturesOrder(), [file.fileno()]).found
    assert (one.scope, one.number, one.valid, one.intact, one.fault) == ("bordereau", "12", True, intact, "")
    assert find_reason(one, Signer()) == ("" if intact else NOT_OF_THE_FILE)


@pytest.mark.parametrize("start", RETURNS)
@pytest.mark.parametrize("step", [1 << 16, 13])
def test_returns(start: str, step: int) -> None:
    read = read_return(find(start).read_bytes(), step)
    assert read.kind is RETURNS[start]
    assert bool(read.nomfic) is (start not in WITHOUT_NOMFIC)
    assert read.has_acquit is (read.kind is ReturnKind.ACQUIT)
