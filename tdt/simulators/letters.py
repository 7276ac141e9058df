"""The letters of a préfecture about an act (courrier simple, demande de pièces, observations, déféré) and their PDF."""

import io
from dataclasses import dataclass
from datetime import date

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tdt.simulators.prefecture_answers import element, named_file, serialise


@dataclass(frozen=True, slots=True)
class Kind:
    """`child`: the element of free text that the message carries besides its document, with this text."""

    root: str
    title: str
    child: str
    text: str


KINDS = {
    "2-1": Kind("CourrierSimple", "Courrier simple", "", "Merci de préciser la portée de cet acte."),
    "3-1": Kind(
        "DemandePieceComplementaire",
        "Demande de pièces complémentaires",
        "DescriptionPieces",
        "Plan de situation et avis du service instructeur",
    ),
    "4-1": Kind(
        "LettreObservations",
        "Lettre d'observations",
        "Motif",
        "L'acte ne vise pas la délibération qui donne délégation à son signataire",
    ),
    "5-1": Kind(
        "DefereTA",
        "Déféré au tribunal administratif",
        "NatureIllegalite",
        "Incompétence du signataire de l'acte",
    ),
}


def letter_message(code: str, id_acte: str, day: date, document_name: str) -> bytes:
    """The XML of the letter, which names its PDF."""
    kind = KINDS[code]
    if code == "5-1":  # no DateCourrierPref and no single Document: a date of deposit and a list
        return serialise(
            element(
                kind.root,
                {"IDActe": id_acte},
                element("DateDepot", text=day.isoformat()),
                element(kind.child, text=kind.text),
                element("PiecesJointes", None, named_file(document_name, "PieceJointe")),
            )
        )
    said = [element(kind.child, text=kind.text)] if kind.child else []
    attributes = {"DateCourrierPref": day.isoformat(), "IDActe": id_acte}
    return serialise(element(kind.root, attributes, *said, named_file(document_name)))


def letter_pdf(code: str, id_acte: str, day: date) -> bytes:
    """One page that says the same."""
    kind = KINDS[code]
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setTitle(f"{kind.title} - {id_acte}")
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(72, 760, kind.title)
    canvas.setFont("Helvetica", 11)
    lines = ["Préfecture simulée : document sans valeur.", f"Acte : {id_acte}", f"Date : {day:%d/%m/%Y}", "", kind.text]
    for number, line in enumerate(lines):
        canvas.drawString(72, 720 - 18 * number, line)
    canvas.showPage()
    canvas.save()
    return file.getvalue()
