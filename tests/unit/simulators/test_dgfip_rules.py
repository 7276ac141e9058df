"""The rules that the Guichet XML applies on its own, and the validation of large flows against a schema pack."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.simulators.dgfip_reader import FlowReader
from tdt.simulators.dgfip_rules import Found, Rules
from tdt.simulators.dgfip_schema import KEPT, SchemaPack, _Shortener
from tests.dgfip_flows import Slip, attachment, attachments, blocks, flow, large_flow, sample
from tests.helios_xsd import schema_pack

SIGNATURE = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>'
ACCOUNT = '<CpteBancaire><IBAN V="{}"/><TitCpte V="SOCIETE"/></CpteBancaire>'
ADDRESS = '<Adresse><CP V="{}"/><CodRes V="{}"/>{}</Adresse>'
PARTY = '<InfoTiers><CatTiers V="{}"/>{}<Nom V="X"/></InfoTiers>'


def judge(data: bytes) -> Found:
    rules = Rules()
    reader = FlowReader(rules)
    reader.feed(data)
    reader.close()
    return rules.close()


def expense(extra: str = "", line: str = "", tiers: str = "", paperless: str = "0", kind: str = "01") -> bytes:
    address = f"<Tiers>{tiers}</Tiers>" if tiers else ""
    return flow(blocks([Slip(extra=extra, line=line, address=address, kind=kind)], paperless))


def revenue(extra: str = "", paperless: str = "0", kind: str = "01", line: str = "") -> bytes:
    return flow(blocks([Slip(expense=False, extra=extra, kind=kind, line=line)], paperless))


def test_a_sound_flow_has_no_fault() -> None:
    assert judge(sample()) == Found(bordereaux=[[]], attachments=[[]])


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (sample().replace(b'<IdVer V="2"/>', b'<IdVer V="1"/>'), "IdVer de PES_DepenseAller"),
        (flow('<PES_Facture><IdVer V="1"/></PES_Facture>'), "IdVer de PES_Facture"),
        (flow('<PES_Marche><EnTeteMarche><IdVer V="1"/></EnTeteMarche></PES_Marche>'), "IdVer de PES_Marche"),
        (sample().replace(b'<NbrPce V="1"/>', b'<NbrPce V="0"/>'), "NbrPce"),
        (expense(line='<ModRegl V="12"/>'), "ModRegl"),
        (expense(tiers=ACCOUNT.format("FR76x")), "minuscules"),
        (expense(line='<PJRef><Support V="01"/></PJRef>'), "PJRef"),
        (expense(extra='<MtCumulAnnuel V="1.00"/>', paperless="1"), "sans signature"),
        (sample().replace(b"</Bordereau>", SIGNATURE.encode() + b"</Bordereau>"), "avec une signature"),
    ],
)
def test_faults_of_the_whole_flow(data: bytes, word: str) -> None:
    [fault] = judge(data).flow
    assert word in fault.label


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (expense(kind="04"), "TypBord"),
        (expense(line='<ModRegl V="03"/>'), "sans compte"),
        (expense(tiers=ACCOUNT.format("FR7630006000011234567890188")), "IBAN invalide"),
        (expense(tiers=ADDRESS.format("3400", "0", "")), "code postal"),
        (expense(tiers=ADDRESS.format("99999", "1", "")), "CodPays absent"),
        (expense(tiers=ADDRESS.format("34000", "0", '<CodPays V="101"/>')), "CodPays renseigné"),
        (expense(tiers=PARTY.format("01", '<Civilite V="M"/>')), "Prenom est obligatoire"),
        (expense(tiers=PARTY.format("50", '<Civilite V="M"/>')), "Civilite est interdit"),
        (expense(extra='<MtBordTVA V="1.00"/>'), "sans ligne"),
        (expense(line='<MtTVA V="1.00"/>'), "sans MtBordTVA"),
        (revenue(extra='<MtBordTVA V="0.00"/>'), "MtBordTVA vaut 0"),
        (expense(paperless="1").replace(b"</Bordereau>", SIGNATURE.encode() + b"</Bordereau>"), "MtCumulAnnuel"),
    ],
)
def test_faults_of_a_bordereau(data: bytes, word: str) -> None:
    found = judge(data)
    assert found.flow == []
    [[fault]] = found.bordereaux
    assert word in fault.label


@pytest.mark.parametrize(
    "data",
    [
        expense(line='<ModRegl V="03"/>', tiers=ACCOUNT.format("FR7630006000011234567890189")),
        expense(extra='<MtBordTVA V="1.00"/>', line='<MtTVA V="1.00"/>'),
        expense(tiers=PARTY.format("01", '<Civilite V="M"/><Prenom V="A"/>') + ADDRESS.format("34000", "0", "")),
        expense(tiers=ADDRESS.format("99999", "1", '<CodPays V="101"/>')),
        revenue(paperless="1", kind="06").replace(b"</n:PES", SIGNATURE.encode() + b"</n:PES"),
    ],
)
def test_what_is_permitted(data: bytes) -> None:
    found = judge(data)
    assert (found.flow, found.bordereaux) == ([], [[]])


def test_a_fault_says_its_piece_and_line() -> None:
    [[fault]] = judge(expense(line='<ModRegl V="05"/>')).bordereaux
    assert (fault.piece, fault.line) == ("345", "7")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (attachments(attachment("A"), version="2"), "IdVer"),
        (attachments(attachment("A", name="facture")), "extension"),
        (attachments(attachment("A", name="facture.jpegs")), "extension"),
        (attachments(attachment("A", content=" ")), "vide"),
        (attachments(attachment("A", kind="012")), "RefCompta"),
    ],
)
def test_faults_of_an_attachment(data: str, word: str) -> None:
    [[fault]] = judge(flow(data)).attachments
    assert word in fault.label


@settings(max_examples=30)
@given(
    length=st.integers(0, 4 * KEPT), chunk=st.integers(1000, 100_000), breaks=st.booleans(), padding=st.integers(0, 2)
)
def test_shortening_keeps_the_form_and_the_validity(length: int, chunk: int, breaks: bool, padding: int) -> None:
    text = b"QUJD" * (length // 4) + b"QUJD"[: 4 - padding] + b"=" * padding
    if breaks:
        text = b"\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    data = b"<a><b>" + text + b"</b>\n<c d='e'/></a>"
    shortener = _Shortener()
    short = b"".join(shortener.shorten(data[i : i + chunk]) for i in range(0, len(data), chunk))
    assert short.startswith(b"<a><b>")
    assert short.endswith(b"=" * padding + b"</b>\n<c d='e'/></a>")
    assert len(short) <= len(data)
    assert len(short) <= KEPT + 2 * chunk + 100
    size = len(b"".join(short[6 : short.index(b"</b>")].split()))
    assert size % 4 == len(b"".join(text.split())) % 4
    assert shortener.line_of(short.count(b"\n") + 1) == data.count(b"\n") + 1


def pack() -> SchemaPack:
    path = schema_pack()
    if path is None:
        pytest.skip("the official PES schemas are absent")
    return SchemaPack(path)


def test_the_official_schema_finds_the_line(tmp_path: Path) -> None:
    path = tmp_path / "flow.xml"
    path.write_bytes(sample())
    assert pack().validate(path) is None
    long = "QUJD" * 100_000
    broken = flow("\n", blocks([Slip()]), attachments(attachment("A", content=long), "\n", attachment("B", name="")))
    path.write_bytes(broken)
    fault = pack().validate(path)
    assert fault is not None
    assert (fault.line, "NomPJ" in fault.message) == (4, True)
    path.write_bytes(flow(blocks([Slip()]), attachments(attachment("A", content=long + "QUJ"))))
    fault = pack().validate(path)
    assert fault is not None
    assert "Fichier" in fault.message


@pytest.mark.parametrize("count", [1, 300])
def test_the_official_schema_on_a_large_flow(tmp_path: Path, count: int) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.writelines(large_flow(48 << 20, count))
    assert pack().validate(path) is None
