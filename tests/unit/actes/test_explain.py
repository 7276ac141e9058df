"""What an act in error tells: every anomaly of the ministry, every refusal of ours that docs/errors.md lists."""

import re

import pytest

from tdt.domain.actes.explain import expected, explain
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import (
    ERREUR_MANUELLE,
    STATUS_LABELS,
    acte_anomaly,
    closed_unanswered,
    envelope_anomaly,
    invalid_envelope,
    refused_together,
)
from tdt.domain.explanation import AGENT, PREFECTURE
from tests.architecture.sources import ROOT


@pytest.mark.parametrize("nature", ["001", "002", "003", "004", "005", "006", "007", "999"])
def test_the_anomalies_of_an_act(nature: str) -> None:
    told = explain(acte_anomaly("MI", nature, "Détail : deux points"))
    assert told.code == f"ANOMALIE_ACTE_{nature}"
    assert told.cause and told.who and told.remedy
    assert told == explain(acte_anomaly("MIOMCTI", nature.lstrip("0"), ""))


@pytest.mark.parametrize("nature", ["001", "002", "003", "004", "005", "100", "999"])
def test_the_anomalies_of_an_envelope(nature: str) -> None:
    told = explain(envelope_anomaly("MI", nature, "Détail (entre parenthèses)"))
    assert told.code == f"ANOMALIE_ENVELOPPE_{nature}"
    assert told.cause and told.who and told.remedy


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (acte_anomaly("MI", "002", "ODT-VERIF-01 : Votre acte a été transmis avec une date"), "ODT_VERIF_01"),
        (envelope_anomaly("MI", "999", "ODT-VERIF-17 : La transaction que vous avez envoyé"), "ODT_VERIF_17"),
        (envelope_anomaly("MI", "5", "abc-TACT--123-1.tar.gz -> PREF-VERIF-02 : Votre numéro"), "PREF_VERIF_02"),
        (acte_anomaly("MI", "002", "ODT-VERIF-99 : inconnu"), "ANOMALIE_ACTE_002"),
        (acte_anomaly("MI", "ERREUR2", "?"), "ANOMALIE_ACTE"),
        (envelope_anomaly("MI", "", "\nsur deux lignes"), "ANOMALIE_ENVELOPPE"),
        (envelope_anomaly("MI", "003", "x" * 600), "ANOMALIE_ENVELOPPE_003"),
        (invalid_envelope("ligne 3 : Element not expected"), "ENVELOPPE_INVALIDE"),
        ("Passée en erreur par l'administrateur : hors délai", "AUTRE"),
        (invalid_envelope("La signature du fichier F n'est pas valide : le document a changé"), "SIGNATURE"),
        (
            invalid_envelope(
                "La signature « S » du fichier F n'est pas valide : le certificat du signataire n'est pas accepté"
            ),
            "SIGNATAIRE",
        ),
        (closed_unanswered(30), "SANS_REPONSE"),
        (ERREUR_MANUELLE, "MANUEL"),
        (refused_together(12, invalid_envelope("La typologie est absente sur le fichier F")), "ENVELOPPE_COMMUNE"),
        ("", "AUTRE"),
    ],
)
def test_what_is_more_precise_or_unknown(message: str, code: str) -> None:
    told = explain(message)
    assert told.code == code
    assert told.cause and told.who and told.remedy


def listed() -> list[str]:
    """The messages of docs/errors.md about acts that turn to -1, each whole."""
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    table = page.partition("### Life of an acte")[2].partition("\n### ")[0]
    found = []
    for line in table.splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if line.startswith("| `"):
            messages = re.findall(r"`([^`]+)`", cells[0])
            # "… n'est pas" goes on with the message before; "… La typologie" is one of its own, shortened
            whole = [one for one in messages if " " in one and not re.match("… [a-zé]", one)]
            found += [one.replace("… ", "Enveloppe invalide : ") for one in whole]
    return found


def test_every_refusal_of_ours_is_explained() -> None:
    messages = listed()
    assert len(messages) > 10
    unexplained = [one for one in messages if explain(one).code == "AUTRE"]
    vague = [one for one in messages if explain(one).code == "ENVELOPPE_INVALIDE" and one != "Enveloppe invalide : …"]
    assert unexplained + vague == []


def test_what_is_waited_for() -> None:
    assert {status for status in STATUS_LABELS if (one := expected(status)) and one.who == AGENT} == {
        ActeStatus.EN_ATTENTE_D_ETRE_POSTEE,
        ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE,
    }
    waited = expected(ActeStatus.TRANSMIS)
    assert waited is not None and waited.who == PREFECTURE
    assert expected(ActeStatus.ACQUITTEMENT_RECU) is None
    assert expected(ActeStatus.ERREUR) is None
