"""The bordereau: what it says, and as poppler shows it: nothing on anything else, nothing cut, nothing outside."""

import itertools
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from PIL import ImageOps

from tdt.documents.pdf.bordereau import lay_out
from tdt.domain.actes.bordereau import ExchangeFacts, Facts, FileFacts, StepFacts, describe
from tdt.domain.actes.model import ActeStatus, Classification, Matiere, Nature, TypePiece
from tdt.domain.calendar import PARIS
from tests import pdfs

NIGHT = datetime(2026, 7, 12, 23, 30, 5, tzinfo=PARIS)
CLASSIFICATION = Classification(
    date(2019, 3, 1),
    (Nature(1, "DE", "Délibérations", (TypePiece("99_DE", "Délibération"),)),),
    (Matiere(1, "Commande publique", (Matiere(1, "Marchés publics"),)),),
)
ACT = FileFacts(
    "99_DE-034-123456782-20260701-A1-DE-1-1_1.pdf", "délib.pdf", "application/pdf", 1234567, "99_DE", b"\1" * 32, True
)
MESSAGE = FileFacts("034-123456782-20260701-A1-DE-1-1_0.xml", "", "text/xml", 1, "", bytes(range(32)), False)
FACTS = Facts(
    id=12,
    type=1,
    type_reponse=None,
    status=ActeStatus.ACQUITTEMENT_RECU,
    authority_name="Commune de Sainte-Œuvre-lès-Étangs",
    siren="123456782",
    number="A1",
    subject="Subvention de 100 € à l’école & <b>au</b> stade",
    nature_code=1,
    classif=(1, 1),
    decision_date=date(2026, 7, 1),
    classification_date=date(2019, 3, 1),
    document_papier=False,
    unique_id="034-123456782-20260701-A1-DE",
    submitted_at=NIGHT,
    received_on=date(2026, 7, 13),
    came_in=False,
    envelope_name="EACT--123456782--20260712-1.xml",
    archive_name="TDT-EACT--123456782--20260712-1.tar.gz",
    classification=CLASSIFICATION,
    files=(MESSAGE, ACT),
    life=(
        StepFacts(ActeStatus.POSTE, NIGHT, "Dépôt initial"),
        StepFacts(ActeStatus.TRANSMIS, NIGHT.replace(second=59), "Transmis au MI"),
        StepFacts(ActeStatus.ACQUITTEMENT_RECU, NIGHT.replace(day=13), "Reçu par le MI le 2026-07-13"),
    ),
    exchanges=(
        ExchangeFacts(3, None, ActeStatus.ACQUITTEMENT_ENVOYE, NIGHT, date(2026, 8, 1), "Plan de masse", 2),
        ExchangeFacts(3, 4, ActeStatus.ACQUITTEMENT_RECU, NIGHT, None, "", 1),
    ),
)
NOTHING = replace(
    FACTS,
    type=7,
    number=None,
    subject="",
    nature_code=None,
    classif=(),
    decision_date=None,
    classification_date=None,
    unique_id=None,
    received_on=None,
    classification=None,
    files=(),
    life=(),
    exchanges=(),
)
LONG = replace(
    FACTS,
    subject="objet sans fin " * 40 + "x" * 200,
    authority_name="Syndicat" + "-intercommunal" * 30,
    files=[replace(ACT, name="n" * 120, posted_filename="été_" * 60 + f"{index}.pdf") for index in range(40)],
    life=[StepFacts(ActeStatus.ERREUR, NIGHT, text) for text in ("m" * 512, "mot " * 128, "<&>" * 100, "")],
    exchanges=[ExchangeFacts(4, None, ActeStatus.DOCUMENT_RECU, NIGHT, None, "remarque " * 1500, 3)],
)


def laid(facts: Facts, path: Path) -> int:
    with path.open("wb") as file:
        return lay_out(describe(facts), [file.fileno()]).pages


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("facts", [FACTS, NOTHING, LONG], ids=["usual", "nothing", "long"])
def test_it_is_seen_whole(facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "bordereau.pdf"
    count = laid(facts, path)
    pages = pdfs.see(path)
    assert len(pages) == count
    for page in pages:
        for one, other in itertools.combinations(page.words, 2):
            assert not one.meets(other), (one, other)
        for word in page.words:
            assert 50 < word.left < word.right < page.width - 50
            assert 50 < word.top < word.bottom < page.height - 20
    for image in pdfs.render(path, 1, count):
        left, top, right, bottom = ImageOps.invert(image).getbbox() or (0, 0, 0, 0)
        assert left > 60
        assert top > 60
        assert right < image.width - 60
        assert bottom < image.height - 30
    read = squeezed(" ".join(word.text for page in pages for word in page.words))
    document = describe(facts)
    for section in document.sections:
        for entry in section.entries:
            for text in (*entry.columns, *entry.details):
                # a long text may go over a page, with the heads and feet between
                assert squeezed(text)[:150] in read, text
    assert squeezed(document.title) in read
    assert read.count("remarque") == (1500 if facts is LONG else 0)
    assert read.count("x") >= (200 if facts is LONG else 0)


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.pdf", tmp_path / "2.pdf"
    laid(FACTS, first)
    laid(FACTS, second)
    assert first.read_bytes() == second.read_bytes()


def test_what_it_says() -> None:
    document = describe(FACTS)
    assert (document.title, document.reference) == ("Bordereau d’acquittement de transaction", FACTS.unique_id)
    parameters = {
        entry.columns[0].removesuffix("\u00a0:"): entry.columns[1].replace("\u00a0", " ")
        for entry in document.sections[0].entries
    }
    assert parameters == {
        "Collectivité": "Commune de Sainte-Œuvre-lès-Étangs",
        "SIREN": "123 456 782",
        "Type de transaction": "Transmission d’acte",
        "Numéro interne": "A1",
        "Objet": "Subvention de 100 € à l’école & <b>au</b> stade",
        "Nature": "1 – Délibérations",
        "Matière": "1 – Commande publique / 1.1 – Marchés publics",
        "Date de la décision": "01/07/2026",
        "Date de la classification": "01/03/2019",
        "Identifiant unique": "034-123456782-20260701-A1-DE",
        "Document papier complémentaire": "non",
        "Date de dépôt": "12/07/2026 à 23:30:05",
        "Date de transmission": "12/07/2026 à 23:30:59",
        "Date de réception par la préfecture": "13/07/2026",
        "État": "Acquittement reçu",
        "Enveloppe": "EACT--123456782--20260712-1.xml",
        "Archive": "TDT-EACT--123456782--20260712-1.tar.gz",
    }
    files = document.sections[1].entries
    assert files[0].columns[1:] == ("Message métier", "text/xml\n1\u00a0octet")
    assert files[1].columns == (ACT.name, "99_DE – Délibération", "application/pdf\n1\u00a0234\u00a0567\u00a0octets")
    assert files[1].details == (
        "Déposé sous le nom\u00a0: délib.pdf",
        "SHA-256\u00a0: " + "01" * 32,
        "Accompagné d’une signature détachée",
    )
    assert [entry.columns[0] for entry in document.sections[3].entries] == [
        "Demande de pièces complémentaires",
        "Transmission de pièces complémentaires",
    ]


def test_a_code_without_its_label_is_shown_alone() -> None:
    document = describe(replace(FACTS, nature_code=9, classif=(1, 7, 2)))
    values = {entry.columns[0]: entry.columns[1] for entry in document.sections[0].entries}
    assert values["Nature\u00a0:"] == "9"
    assert values["Matière\u00a0:"] == "1 – Commande publique / 1.7 / 1.7.2"
    assert describe(NOTHING).reference == "Transaction n°\u00a012"
