"""Classifications of every version of the schema are read."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.mail import parse_mail
from tdt.domain.actes.model import Classification, Matiere, Nature, TypePiece
from tdt.domain.xml import XmlError
from tests.unit.actes.mails import sample, xml
from tests.xsd import shared_directory

SAMPLE = parse_mail(sample("7-2-classification.eml")).attachments[1].data


def test_the_sample() -> None:
    subsidies = Matiere(5, "Subventions", (
        Matiere(1, "Subventions accordées à des associations", (
            Matiere(2, "Culture", (Matiere(3, "Musique"),)),
        )),
    ))  # fmt: skip
    deliberations = (TypePiece("99_DE", "Délibération"), TypePiece("99_SE", "Fichier de signature électronique"))
    classification = parse_classification(SAMPLE)
    assert classification == Classification(
        date=date(2026, 3, 1),
        natures=(
            Nature(6, "AU", "Autres", (TypePiece("99_AU", "Autre document"),)),
            Nature(1, "DE", "Délibérations", deliberations),
        ),
        matieres=(Matiere(7, "Finances locales", (Matiere(10, "Divers"), subsidies)),),
    )
    assert classification.nature(1) == classification.natures[1]
    assert classification.nature(2) is None


def test_older_versions_and_odd_values() -> None:
    data = SAMPLE.replace(b"20040216", b"20040202").replace(b'actes:CodeNatureActe="6"', b"")
    data = data.replace(b'actes:CodeMatiere="10"', b'actes:CodeMatiere="x"')
    classification = parse_classification(data)
    assert [nature.code for nature in classification.natures] == [1]
    assert [matiere.code for matiere in classification.matieres[0].children] == [5]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SAMPLE[:-10],
        SAMPLE.replace(b"2026-03-01", b"mars 2026"),
        xml("ReponseClassificationSansChangement"),
        b"<RetourClassification/>",
    ],
)
def test_what_is_no_classification(data: bytes) -> None:
    with pytest.raises(XmlError):
        parse_classification(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_the_same_way(data: bytes) -> None:
    with pytest.raises(XmlError):
        parse_classification(data)


def test_the_shared_classifications() -> None:
    for path in sorted((shared_directory() / "data/actes/classification").glob("*.xml")):
        classification = parse_classification(path.read_bytes())
        assert {nature.code for nature in classification.natures} == {1, 2, 3, 4, 5, 6}, path
        assert [matiere.code for matiere in classification.matieres] == list(range(1, 10)), path
        assert sum(len(matiere.children) for matiere in classification.matieres) >= 50, path
