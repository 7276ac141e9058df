"""What an antivirus says of a file, and the words for those who posted it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine that looked, the version and the date of its signatures, as it tells them (empty: it does not)."""

    name: str
    signatures: str = ""
    signatures_date: str = ""

    def recorded(self) -> Mapping[str, object]:
        """As a report keeps it."""
        return {"engine": self.name, "signatures": self.signatures, "signatures_date": self.signatures_date}


def read_engine(text: str) -> Engine:
    """Of clamd: `ClamAV 1.4.6/27500/Wed Nov 25 08:35:11 2026`; signatures of one's own alone have no version."""
    name, _, rest = text.strip().partition("/")
    signatures, _, day = rest.partition("/")
    return Engine(name, signatures, day)


def infected(file: str, found: str) -> str:
    """The refusal of a file in which the engine found this."""
    return (
        f"Virus détecté : l'antivirus a trouvé « {found} » dans le fichier {file}. Rien n'a été transmis. "
        "Vérifiez le poste d'où vient ce fichier, puis déposez un fichier sain."
    )
