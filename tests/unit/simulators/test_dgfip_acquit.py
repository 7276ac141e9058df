"""The PES_ACQUIT and PES_Retour of the simulator: content, names, and the official schema when it is present."""

from datetime import UTC, datetime

from lxml import etree

from tdt.simulators.dgfip_acquit import (
    Element,
    Fault,
    acquit_name,
    build_technical,
    build_v1,
    build_v2,
    elements_of,
    refuse_first,
)
from tdt.simulators.dgfip_reader import Flow, FlowReader
from tests.dgfip_flows import Slip, attachment, attachments, blocks, flow, sample
from tests.helios_xsd import check, schema_pack

V2 = "{http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2}PES_ACQUIT"
V1 = "{http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour}PES_ACQUIT"
FULL = flow(
    blocks([Slip("12"), Slip("7", expense=False)]),
    attachments(attachment("PJ1")),
    header='<LibelleColBud V="Été à Ōsaka"/>',
)


def read(data: bytes) -> Flow:
    reader = FlowReader()
    reader.feed(data)
    return reader.close()


def facts(content: bytes) -> list[dict[str, str | None]]:
    return [
        {child.tag: child.get("V") for child in element if child.get("V") is not None}
        for element in etree.fromstring(content).iter("ElementACQUIT")
    ]


def test_one_element_per_bordereau_and_attachment() -> None:
    found = read(FULL)
    content = build_v2(found, elements_of(found))
    assert content.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    content.decode("latin-1")
    root = etree.fromstring(content)
    assert root.tag == V2
    assert root.find("Enveloppe/Parametres/NomFic").get("V") == "FLUX-ESSAI-1"  # type: ignore[union-attr]
    assert root.find("Enveloppe/Emetteur/Sigle").get("V") == "Éditeur"  # type: ignore[union-attr]
    assert root.find("Enveloppe/Recepteur/Sigle").get("V") == "HELIOS"  # type: ignore[union-attr]
    assert [child.tag for child in root.find("EnTetePES")] == [  # type: ignore[union-attr]
        *("DteStr", "IdPost", "IdColl", "CodCol", "CodBud", "LibelleColBud")
    ]
    assert root.find("EnTetePES/LibelleColBud").get("V") == "Été à Ōsaka"  # type: ignore[union-attr]
    assert facts(content) == [
        {"DomaineAck": "5", "EtatAck": "1", "NumBord": "12", "ExerciceBord": "2026"},
        {"DomaineAck": "6", "EtatAck": "1", "NumBord": "7", "ExerciceBord": "2026"},
        {"DomaineAck": "4", "EtatAck": "1", "IdUnique": "PJ1"},
    ]
    assert check(content) == []


def test_a_refusal_is_on_the_first_line() -> None:
    found = read(FULL)
    content = build_v2(found, refuse_first(found, elements_of(found)))
    assert [one["EtatAck"] for one in facts(content)] == ["0", "1", "1"]
    detail = etree.fromstring(content).find(".//DetailPiece")
    assert detail is not None
    assert [one.get("V") for one in detail.iter("NumPiece", "NumLigne", "NumAnoAck")] == ["345", "7", "ERREUR_AUTRE"]
    assert check(content) == []


def test_an_attachment_alone_is_refused_on_itself() -> None:
    found = read(flow(attachments(attachment("PJ1"))))
    content = build_v2(found, refuse_first(found, elements_of(found)))
    assert etree.fromstring(content).find(".//ElementACQUIT/Erreur/NumAnoAck") is not None
    assert check(content) == []


def test_faults_are_grouped_by_piece_and_line() -> None:
    faults = (
        Fault("ERREUR_AUTRE", "ligne", "1", "2"),
        Fault("ERREUR_AUTRE", "bordereau"),
        Fault("ERREUR_AUTRE", "pièce", "1"),
        Fault("ERREUR_AUTRE", "x" * 900, "1", "2"),
    )
    content = build_v2(read(FULL), [Element(5, "12", "2026", faults=faults)])
    root = etree.fromstring(content)
    assert len(root.findall(".//DetailPiece")) == len(root.findall(".//DetailLigne")) == 1
    assert [error.get("V", "")[:9] for error in root.iter("LibelleAnoAck")] == ["bordereau", "pièce", "ligne", "x" * 9]
    assert check(content) == []


def test_version_1_is_flat() -> None:
    found = read(FULL)
    accepted = build_v1(found, elements_of(found))
    refused = build_v1(found, refuse_first(found, elements_of(found)))
    assert etree.fromstring(accepted).tag == V1
    assert len(facts(accepted)) == 3
    assert facts(refused)[0]["NumLigne"] == "7"
    assert check(accepted) == check(refused) == []


def test_the_technical_rejection_has_its_real_shape() -> None:
    content = build_technical(read(FULL), 3, 14, "élément inattendu " * 60)
    root = etree.fromstring(content)
    assert root.find("Enveloppe/Parametres/TypFic").get("V") == "UNKNOWN_TYPE"  # type: ignore[union-attr]
    assert root.find("Enveloppe/Emetteur") is None
    label = root.find(".//LibelleAnoAck").get("V")  # type: ignore[union-attr]
    assert label is not None
    assert "(Boite 1) : Erreur de validation XSD en boite 1 [(3,14) " in label
    assert len(label) <= 500
    assert bool(check(content)) == (schema_pack() is not None)


def test_domains_without_bordereau_get_one_element() -> None:
    marches = "<PES_Marche><Marche><IdMarche V='M1'/></Marche></PES_Marche>"
    found = read(flow("<PES_Facture><IdVer V='2'/></PES_Facture>", marches))
    assert [(one.domain, one.market) for one in elements_of(found)] == [(11, "M1"), (12, "")]
    assert [one.domain for one in elements_of(read(flow("<PES_PJ/>")))] == [4]
    assert [one.domain for one in elements_of(read(flow("<PES_Budget/>")))] == [0]
    assert elements_of(read(flow())) == []


def test_an_envelope_without_sender_still_gives_a_valid_acquit() -> None:
    found = read(sample())
    found.sender, found.version, found.file_type = {}, "", ""
    assert check(build_v2(found, elements_of(found))) == []
    found.header["IdColl"] = ""
    assert check(build_v2(found, elements_of(found))) == []


def test_the_name_is_in_the_time_of_paris() -> None:
    summer = datetime(2026, 7, 31, 22, 30, 5, tzinfo=UTC)
    assert acquit_name(read(sample()), 42, summer) == "034001_260801003005-ACK-00000042.xml"
    assert acquit_name(Flow(header={"IdPost": "../x"}), 1, summer).startswith("000000_")
