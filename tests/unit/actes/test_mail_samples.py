"""The mails of tests/data/actes that take unusual shapes: what each says."""

from collections.abc import Mapping
from datetime import date

import pytest

from tdt.domain.actes import returns as r
from tdt.domain.actes.mail import parse_mail
from tests.unit.actes.mails import ACT, sample

Expected = tuple[type[r.Return], Mapping[str, object]]
TYPOGRAPHY = "Pièce jointe “illisible” – œuvre"

SAMPLES: Mapping[str, list[Expected]] = {
    "1-2-transfere-utf8.eml": [(r.ArActe, {"unique_id": ACT, "date_reception": date(2026, 3, 10)})],
    "1-3-windows-1252.eml": [
        (r.AnomalieActe, {"nature": "ERREUR2", "detail": TYPOGRAPHY, "siren": "123456782", "number": "2026_017"})
    ],
    "3-5-et-4-5.eml": [
        (r.ArReponse, {"code": "3-5", "date_courrier": date(2026, 4, 2), "date_reception": date(2026, 4, 9)}),
        (r.ArReponse, {"code": "4-5", "name": f"{ACT}-4-5_90030.xml"}),
    ],
    "4-1-courriel-coupe.eml": [
        (r.Letter, {"code": "4-1", "documents": (), "missing": (f"{ACT}-4-1_90023.pdf",)}),
        (r.Unreadable, {"reason": "pièce jointe abîmée en route", "name": f"{ACT}-4-1_90023.pdf"}),
    ],
    "5-1-defere.eml": [
        (r.Letter, {"code": "5-1", "date": date(2026, 4, 2), "text": "Incompétence", "missing": ()}),
    ],
    "6-2-imbrique.eml": [
        (r.ArAnnulation, {"unique_id": ACT, "date_reception": date(2026, 3, 11), "name": f"{ACT}-6-2_90022.xml"})
    ],
    "indesirable.eml": [(r.Unreadable, {"reason": "courriel sans message d'ACTES"})],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_each_sample_says(name: str) -> None:
    answers = r.read_mail(parse_mail(sample(name)))
    assert [type(answer) for answer in answers] == [kind for kind, _ in SAMPLES[name]]
    for answer, (_, fields) in zip(answers, SAMPLES[name], strict=True):
        assert {field: getattr(answer, field) for field in fields} == fields


def test_the_documents_of_the_defere_are_in_the_order_of_its_xml() -> None:
    (letter,) = r.read_mail(parse_mail(sample("5-1-defere.eml")))
    assert isinstance(letter, r.Letter)
    assert [one.name for one in letter.documents] == [f"{ACT}-5-1_90025.pdf", f"{ACT}-5-1_90026.pdf"]
