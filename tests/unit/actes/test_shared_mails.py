"""Every file of the shared samples is read as its source says; they are looked for where tests/xsd.py says."""

from datetime import date
from pathlib import Path

import pytest

from tdt.domain.actes import returns as r
from tdt.domain.actes.mail import parse_mail
from tdt.domain.actes.returns import Return, read_mail
from tests.unit.actes.mails import mail
from tests.xsd import shared_directory

Expected = tuple[type[Return], dict[str, object]]
ROOT = shared_directory() / "data/actes"
NORM = "035-123456789-20030714-9999aaa-AI"
STELA = "044-214400152-20181106-TEST_DGCL_4-DE"
PASTELL = "034-491011698-20171207-CL20171227_06-DE"
CLASSIFICATION: Expected = (r.Unreadable, {"reason": "RetourClassification : SIREN du destinataire introuvable"})


def _unexpected(element: str) -> Expected:
    """What a collectivité sends never comes from the ministry."""
    return r.Unreadable, {"reason": f"message {element} inattendu"}


ALONE: dict[str, Expected] = {
    # old generation of the schema, before the typologie; no envelope beside them
    "norm-examples/actes/1-1_Acte": _unexpected("Acte"),
    "norm-examples/actes/1-2_ARActe": (
        r.ArActe,
        {"unique_id": NORM, "number": "9999aaa", "siren": "123456789", "date_reception": date(2003, 7, 17)},
    ),
    "norm-examples/actes/1-3_AnomalieActe": (
        r.AnomalieActe,
        {"siren": None, "nature": "006", "detail": "Le fichier acte.pdf est introuvable", "number": "9999aaa"},
    ),
    "norm-examples/actes/6-1_Annulation": _unexpected("Annulation"),
    "norm-examples/actes/6-2_ARAnnulation": (
        r.ArAnnulation,
        {"unique_id": NORM, "date_reception": date(1967, 8, 13)},
    ),
    "norm-examples/actes/7-1_DemandeClassification": _unexpected("DemandeClassification"),
    "norm-examples/actes/7-2_RetourClassification": CLASSIFICATION,
    "norm-examples/actes/7-3_ReponseClassificationSansChangement": (r.Unreadable, {}),
    "norm-examples/lettreObservations/4-1_LettreObservations": (
        r.Letter,
        {"code": "4-1", "unique_id": NORM, "date": date(2003, 8, 13), "text": "Permis de construire en zone inondable"},
    ),
    "norm-examples/lettreObservations/4-2_ARLO": _unexpected("ARLettreObservations"),
    "norm-examples/lettreObservations/4-3_RejetLO": _unexpected("RejetLettreObservations"),
    "norm-examples/lettreObservations/4-4_ReponseLO": _unexpected("ReponseLettreObservations"),
    "norm-examples/lettreObservations/4-5_ARReponseRejetLO": (
        r.ArReponse,
        {
            "code": "4-5",
            "unique_id": NORM,
            "date_courrier": date(2003, 8, 13),
            "date_reception": date(2003, 8, 27),
        },
    ),
    "norm-examples/lettreObservations/5-1_DefereTA": (
        r.Letter,
        {"code": "5-1", "date": date(2003, 9, 17), "missing": ("Courrier_defere.pdf",)},
    ),
    "norm-examples/piecesComplementaires/3-1_DemandePC": (
        r.Letter,
        {"code": "3-1", "date": date(2003, 8, 1), "text": "Plan du bâtiment", "missing": ("courrier_demande.pdf",)},
    ),
    "norm-examples/piecesComplementaires/3-2_ARDemandePC": _unexpected("ARDemandePieceComplementaire"),
    "norm-examples/piecesComplementaires/3-3_RefusEnvoiPC": _unexpected("RefusPieceComplementaire"),
    "norm-examples/piecesComplementaires/3-4_EnvoiPC": _unexpected("PieceComplementaire"),
    "norm-examples/piecesComplementaires/3-5_AREnvoiPC": (
        r.ArReponse,
        {"code": "3-5", "date_courrier": date(2003, 8, 1), "date_reception": date(2003, 8, 8)},
    ),
    "norm-examples/piecesComplementaires/EnveloppeMICL": (
        r.Unreadable,
        {"reason": "message annoncé par l'enveloppe, absent du courriel", "name": "3-1_DemandePC.xml"},
    ),
    # UTF-8 by default, no envelope, a name without its number
    f"pastell/{PASTELL}-1-1_0": _unexpected("Acte"),
    f"pastell/{PASTELL}-1-2": (
        r.ArActe,
        {"unique_id": PASTELL, "siren": "491011698", "date_reception": date(2017, 12, 27)},
    ),
    # the ministry's platform of test
    "stela/006-210600730-20180115-007-AR-1-1_0": _unexpected("Acte"),
    "stela/044-214400152----1-3_1": (
        r.AnomalieActe,
        {"siren": "214400152", "number": "123456", "nature": "002", "classification_date": date(2018, 10, 10)},
    ),
    f"stela/{STELA}-6-2_10": (r.ArAnnulation, {"unique_id": STELA, "date_reception": date(2018, 11, 28)}),
    "stela/ANO_EACT--214400152--20180925-1": (
        r.AnomalieEnveloppe,
        {
            "envelope_name": "EACT--214400152--20180925-1.xml",
            "nature": "999",
            "siren": "214400152",
            "detail": "ODT-VERIF-17 : La transaction que vous avez envoyé n'est pas reconnu dans l'application ACTES.",
        },
    ),
    "stela/EACT--210600730--20180115-1": _unexpected("EnveloppeCLMISILL"),
    "stela/EACT--SPREF0441-214400152-20181012-9": (r.Unreadable, {"name": "044-214400152----1-3_1.xml"}),
}

FOLDERS: dict[str, Expected] = {
    "02-ar-acte": (r.ArActe, {"siren": "123456782", "date_reception": date(2025, 6, 16)}),
    "03-anomalie-acte": (r.AnomalieActe, {"siren": "123456782", "nature": "002", "number": "2025_031"}),
    "04-anomalie-enveloppe": (r.AnomalieEnveloppe, {"envelope_name": "EACT--123456782--20250616-1.xml"}),
    "05-courrier-simple": (r.Letter, {"code": "2-1", "date": date(2025, 7, 2), "missing": ()}),
    "07-demande-pieces": (r.Letter, {"code": "3-1", "text": "Plan du bâtiment", "missing": ()}),
    "11-ar-pieces": (r.ArReponse, {"code": "3-5", "date_courrier": date(2025, 7, 2)}),
    "12-lettre-observations": (r.Letter, {"code": "4-1", "missing": ()}),
    "16-ar-reponse-lettre-observations": (r.ArReponse, {"code": "4-5"}),
    "17-defere-ta": (r.Letter, {"code": "5-1", "missing": ()}),
    "19-ar-annulation": (r.ArAnnulation, {"date_reception": date(2025, 7, 8)}),
    "21-retour-classification": (r.RetourClassification, {"siren": "123456782"}),
    "22-classification-sans-changement": (
        r.ClassificationSansChangement,
        {"siren": "123456782", "date": date(2019, 4, 18)},
    ),
}


def _check(answers: tuple[Return, ...], expected: Expected, path: Path) -> None:
    kind, fields = expected
    (answer,) = answers
    assert type(answer) is kind, (path, answer)
    assert {name: getattr(answer, name) for name in fields} == fields, path


def test_every_sample_alone_in_a_mail() -> None:
    found = {
        str(path.relative_to(ROOT / "samples")).removesuffix(".xml"): path
        for path in (ROOT / "samples").glob("**/*.xml")
    }
    assert not found or found.keys() == ALONE.keys()
    for name, path in found.items():
        _check(read_mail(mail((path.name, path.read_bytes()))), ALONE[name], path)


def test_every_message_of_the_worked_example() -> None:
    for folder in sorted((ROOT / "worked-example").glob("*")):
        files = [(one.name, one.read_bytes()) for one in folder.iterdir() if one.suffix in (".xml", ".pdf")]
        if folder.name in FOLDERS:
            _check(read_mail(mail(*files)), FOLDERS[folder.name], folder)
        else:  # what the collectivité sends
            assert {type(answer) for answer in read_mail(mail(*files))} == {r.Unreadable}, folder
        for path in folder.glob("*.eml"):
            _check(read_mail(parse_mail(path.read_bytes())), FOLDERS[folder.name], path)


@pytest.mark.parametrize("name", ["034-123456782----7-2_1.xml", "999-1234----7-2_1.xml"])
def test_every_classification_is_read_by_the_siren_of_its_name(name: str) -> None:
    for path in (ROOT / "classification").glob("*.xml"):
        (answer,) = read_mail(mail((name, path.read_bytes())))
        assert isinstance(answer, r.RetourClassification if "123456782" in name else r.Unreadable), path
