"""The reference samples beside the repository, when they are there: what the analysis and the reader make of each."""

import os
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
from tests.unit.helios.samples import read_pes, read_return

SHARED = Path(os.environ.get("TDT_SHARED") or Path(__file__).parents[4] / "shared") / "data" / "helios"

FLOWS = {
    "01": "",
    "02": "",
    "03": "",
    "04": "",
    "05": "",
    "30": "",
    "40": "ce fichier n'est pas encodé en ISO-8859-1",
    "41": "ce fichier n'est pas en XML",
    "42": "La balise Enveloppe/Parametre/NomFic n'est pas présente ou est vide",
    "43": "Le CodCol est trop long",
    "44": "La balise IdCol est trop longue",
    "45": "ce fichier ne contient ni bordereau, ni PJ, ni marché",
    "46": "La balise EnTetePES/IdPost n'est pas présente ou est vide",
    "47": "",
    "48": "",
}
RETURNS = dict.fromkeys(("10", "11", "12", "13", "14", "15", "16", "17", "18"), ReturnKind.ACQUIT)
RETURNS |= dict.fromkeys(("20", "21", "22", "23"), ReturnKind.RETOUR)


def skeleton(number: str) -> bytes:
    found = sorted(SHARED.glob(f"skeletons/{number}_*.xml"))
    if not found:
        pytest.skip(f"reference samples: absent ({SHARED})")
    return found[0].read_bytes()


@pytest.mark.parametrize("number", FLOWS)
def test_flows(number: str) -> None:
    data = skeleton(number)
    header: PesHeader | PesUnreadable
    try:
        header = read_pes(data)
    except PesUnreadable as error:
        header = error
    refusal = ""
    facts = AnalysisFacts(HeliosId(1), data[:4096], sha1_unchanged=True)
    try:
        read = check_reading(header, facts)
        check_naming(read, None, HeliosId(1))
        check_sendable(read, "VHPCE11", HeliosId(1))
    except Refused as error:
        refusal = error.message.removeprefix("Transaction 1 : ")
    assert refusal == FLOWS[number]


@pytest.mark.parametrize(("number", "intact"), [("05", True), ("47", False)])
def test_signed_flows(number: str, intact: bool) -> None:
    """The fault of the altered one is its signature: nothing before it sees it."""
    with tempfile.TemporaryFile() as file:
        file.write(skeleton(number))
        file.flush()
        [one] = read_pes_signatures(PesSignaturesOrder(), [file.fileno()]).found
    assert (one.scope, one.number, one.valid, one.intact, one.fault) == ("bordereau", "12", True, intact, "")
    assert find_reason(one, Signer()) == ("" if intact else NOT_OF_THE_FILE)


@pytest.mark.parametrize("number", RETURNS)
def test_returns(number: str) -> None:
    read = read_return(skeleton(number))
    assert read.kind is RETURNS[number]
    assert read.nomfic
    assert read.has_acquit is (read.kind is ReturnKind.ACQUIT)


def test_collected_samples() -> None:
    """Files gathered from existing software, some deliberately damaged: each is read or set aside, none surprises."""
    samples = sorted(SHARED.glob("samples/*/**/*.xml"))
    if not samples:
        pytest.skip(f"reference samples: absent ({SHARED})")
    kinds = {path.name: read_return(path.read_bytes()) for path in samples}
    acquits = {name: read for name, read in kinds.items() if read.kind is ReturnKind.ACQUIT}
    assert acquits
    assert all(read.has_acquit for read in acquits.values())
