"""The PES_Retour of the simulator: names and contents of every kind, and the official schema when it is present."""

from datetime import UTC, datetime
from itertools import product

import pytest
from lxml import etree

from tdt.simulators.dgfip_retour import KINDS, RESTITUTIONS, SEQUENCES, Wanted, build_retour
from tdt.simulators.dgfip_retour_blocks import STATES
from tests.helios_xsd import check

SIRET = "12345678200010"
HEADER = {"IdPost": "034001", "CodCol": "012", "CodBud": "00"}
WINTER = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
AFTER = "_012_00_034001_20260131_20260201_20260201003000.xml"

EVERY = [
    wanted
    for kind, restitution, state, reissue, orders in product(
        KINDS, RESTITUTIONS, ("", "01", "02", "03", "04", "05"), (False, True), (False, True)
    )
    if not (wanted := Wanted(SIRET, kind, restitution, state, reissue, orders)).fault()
]
NAMES = {
    "PES2R_DEP_R", "PES2R_DEP_P", "PES2R_DEP_RR", "PES2R_DEP_RP", "PES2R_RCE_R", "PES2R_RCE_P", "PES2R_RCE_S",
    "PES2R_RCE_RR", "PES2R_RCE_RP", "PES2R_RCE_RS", "PES2R_RCE_RO", "PES2R_RCE_PO", "PES2R_RCE_SO", "PES2R_RCE_RRO",
    "PES2R_RCE_RPO", "PES2R_RCE_RSO", "PES2R_RCE_CO", "PES2R_RCE_RCO", "PES2R_FCT_ASAPTitresPostalisesNotifies",
    "PES2R_FCT_RASAPTitresPostalisesNotifies", "PES2R_FCT_ASAPTitresRejetes", "PES2R_FCT_RASAPTitresRejetes",
    "PES2R_FCT_ASAPORMCPostalisesNotifies", "PES2R_FCT_RASAPORMCPostalisesNotifies", "PES2R_FCT_ASAPORMCRejetes",
    "PES2R_FCT_RASAPORMCRejetes",
}  # fmt: skip
"""Every name of the annotations of the schemas."""


def faults(wanted: Wanted, content: bytes) -> list[str]:
    """What the official schema says; the longest ASAP names are over the 100 characters that it allows to NomFic."""
    return [fault for fault in check(content) if wanted.kind != "asap" or "NomFic" not in fault]


def test_every_kind_is_valid_and_carries_its_own_name() -> None:
    names = set()
    for wanted in EVERY:
        retour = build_retour(wanted, HEADER, WINTER)
        root = etree.fromstring(retour.content)
        assert root.find("EnTetePES/IdColl").get("V") == SIRET  # type: ignore[union-attr]
        assert root.find("EnTetePES/CodColl").get("V") == "012"  # type: ignore[union-attr]
        assert root.find("Enveloppe/Parametres/NomFic").get("V") == retour.name  # type: ignore[union-attr]
        assert retour.name.startswith(str(root.find("Enveloppe/Parametres/TypFic").get("V")))  # type: ignore[union-attr]
        assert faults(wanted, retour.content) == [], wanted
        names.add("_".join(retour.name.split("_")[:3]))
    assert names == NAMES


def test_names_of_the_day_in_paris() -> None:
    def name(wanted: Wanted) -> str:
        return build_retour(wanted, HEADER, WINTER).name

    assert name(Wanted(SIRET, "depense")) == "PES2R_DEP_P" + AFTER
    assert name(Wanted(SIRET, "recette", "S")) == "PES2R_RCE_S" + AFTER
    assert name(Wanted(SIRET, "asap", "R")).startswith(f"PES2R_FCT_ASAPTitresRejetes_012_00_{SIRET}_034001_20260131_")


def test_a_state_shows_on_the_piece_and_on_its_line() -> None:
    for kind, states in STATES.items():
        for state, (date, line) in states.items():
            root = etree.fromstring(build_retour(Wanted(SIRET, kind, state=state), HEADER, WINTER).content)
            assert root.find(".//EtatPce").get("V") == state  # type: ignore[union-attr]
            assert root.find(".//EtatLigPce").get("V") == line  # type: ignore[union-attr]
            assert root.find(f".//{date}").get("V") == "2026-01-31"  # type: ignore[union-attr]
            assert (root.find(".//ObsEtat") is not None) is (state == "04")


def test_what_was_sent_is_named() -> None:
    sent = {"exercise": "2025", "number": "12", "kind": "02", "piece": "345", "line": "7"}
    retour = build_retour(Wanted(SIRET, "depense", "R"), HEADER, WINTER, sent)
    root = etree.fromstring(retour.content)
    numbers = [root.find(f".//{name}").get("V") for name in ("Exer", "IdBord", "TypBord", "IdPce", "IdLigne")]  # type: ignore[union-attr]
    assert numbers == ["2025", "12", "02", "345", "7"]
    assert root.find(".//EtatPce").get("V") == "04"  # type: ignore[union-attr]
    assert check(retour.content) == []


def test_a_retour_of_any_size_is_one_document() -> None:
    for kind in ("depense", "recette"):
        retour = build_retour(Wanted(SIRET, kind, size=1 << 20), HEADER, WINTER)
        assert 1 << 20 <= len(retour.content) < (1 << 20) * 1.01
        numbers = [one.get("V") for one in etree.fromstring(retour.content).iter("IdPce")]
        assert len(set(numbers)) == len(numbers) > 500
        assert check(retour.content) == []


def test_a_siret_that_was_never_seen_gets_one_too() -> None:
    assert check(build_retour(Wanted("99999999900019", "depense"), {}, WINTER).content) == []


def test_the_days_of_a_flow_are_those_of_the_protocol() -> None:
    assert SEQUENCES["paid"]["depense"] == (("P", "01"), ("P", "02"), ("P", "05"))
    for days in SEQUENCES.values():
        for kind, files in days.items():
            assert all(not Wanted(SIRET, kind, *one).fault() for one in files)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(SIRET, "paye"), Wanted(SIRET, "depense", "S"), Wanted(SIRET, "asap", "S"), Wanted(SIRET, "recette", "X"),
        Wanted(SIRET, "depense", state="03"), Wanted(SIRET, "client", state="01"),
        Wanted(SIRET, "depense", orders=True),
        Wanted(SIRET, "asap", size=10),
    ],
)  # fmt: skip
def test_what_does_not_exist_says_why(wanted: Wanted) -> None:
    assert wanted.fault()
