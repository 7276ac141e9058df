"""What the stamp of an act says: sent, received, published, and the identifier of the act."""

from datetime import date

from tdt.domain.actes.reading import attribute, read_date
from tdt.domain.xml import XmlError, parse_tree

UNSTAMPED = {
    "TAMPON_PDF_CHIFFRE": "the PDF is encrypted",
    "TAMPON_PDF_ILLISIBLE": "the PDF cannot be read to its end",
    "TAMPON_PDF_TROP_LOURD": "its stamping takes more memory or disk than a document may",
    "TAMPON_PDF_TROP_LONG": "its stamping takes more time than a document may",
    "TAMPON_ECHEC": "the child that stamped it crashed",
    "TAMPON_INDISPONIBLE": "nothing can be stamped at the moment",
    "TAMPON_SANS_OBJET": "it was not sent to the préfecture: it came from there",
}
"""Why a PDF that was asked for with its stamp is served without it."""
APPLIED = "TAMPON_APPOSE"


def stamp_lines(sent: date | None, received: date | None, published: date | None, unique_id: str) -> tuple[str, ...]:
    """S2LOW's four lines; what is not known (yet) is left to be filled in."""
    return (
        f"Envoyé en préfecture le {_french(sent)}".rstrip(),
        f"Reçu en préfecture le {_french(received)}".rstrip(),
        f"Publié le {_french(published)}".rstrip(),
        f"ID : {unique_id}".rstrip(),
    )


def _french(day: date | None) -> str:
    return day.strftime("%d/%m/%Y") if day is not None else ""


def date_of_reception(ar: bytes) -> date | None:
    """The day that an AR gives, whatever its generation and the prefix of its namespace; None when it gives none."""
    try:
        return read_date(attribute(parse_tree(ar), "DateReception"))
    except XmlError:
        return None
