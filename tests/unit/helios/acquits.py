"""Acquits written by the tests, and the reader fed in pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

from tdt.domain.helios.returns import ReturnReader
from tdt.domain.helios.verdict import Verdict

HEAD = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
    '<n:PES_ACQUIT xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2"><Enveloppe><Parametres>'
    '<NomFic V="ESSAI"/></Parametres></Enveloppe><EnTetePES><CodCol V="401"/></EnTetePES>'
    '<ACQUIT><EnTeteAcquit><IdVer V="2"/></EnTeteAcquit>'
)
TAIL = "</ACQUIT></n:PES_ACQUIT>"


def tag(name: str, value: str) -> str:
    return f"<{name} V={quoteattr(value)}/>"


def erreur(code: str, label: str) -> str:
    return f"<Erreur>{tag('NumAnoAck', code)}{tag('LibelleAnoAck', label)}</Erreur>"


def element(
    domain: str,
    state: str,
    *,
    bordereau: tuple[str, str] | None = None,
    pj: str = "",
    errors: Sequence[tuple[str, str]] = (),
    parts: Sequence[tuple[str, str, tuple[str, str]]] = (),
) -> str:
    """One ElementACQUIT of version 2; `parts`: pièce, ligne or nothing, anomaly."""
    told = tag("DomaineAck", domain) + tag("EtatAck", state)
    if bordereau is not None:
        told += tag("NumBord", bordereau[1]) + tag("ExerciceBord", bordereau[0])
    told += tag("IdUnique", pj) if pj else ""
    told += "".join(erreur(*one) for one in errors)
    for piece, ligne, anomaly in parts:
        inside = f"<DetailLigne>{tag('NumLigne', ligne)}{erreur(*anomaly)}</DetailLigne>" if ligne else erreur(*anomaly)
        told += f"<DetailPiece>{tag('NumPiece', piece)}{inside}</DetailPiece>"
    return f"<ElementACQUIT>{told}</ElementACQUIT>"


def flat(domain: str, state: str, *values: str) -> str:
    """One ElementACQUIT of version 1."""
    names = ("ExerciceBord", "NumBord", "NumPiece", "NumLigne", "NumAnoAck", "LibelleAnoAck")
    told = "".join(tag(name, value) for name, value in zip(names, values, strict=True))
    return f"<ElementACQUIT>{tag('DomaineAck', domain)}{tag('EtatAck', state)}{told}</ElementACQUIT>"


def acquit(*elements: str) -> bytes:
    return (HEAD + "".join(elements) + TAIL).encode("iso-8859-1", "xmlcharrefreplace")


def read_verdict(data: bytes, step: int = 1 << 16) -> Verdict:
    reader = ReturnReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    said = reader.close().content
    assert isinstance(said, Verdict), reader.fault
    return said


_LABELS = st.text(st.characters(codec="iso-8859-1", min_codepoint=32, exclude_characters="\x7f"), max_size=20)
_ANOMALIES = st.tuples(st.sampled_from(["ERREUR_AUTRE", "ERREUR_PJ", "X"]), _LABELS)
_NUMBERS = st.sampled_from(["1", "2", "300"])


@dataclass(frozen=True, slots=True)
class Wish:
    """An ElementACQUIT to be written."""

    domain: str
    state: str
    bordereau: tuple[str, str] | None
    errors: Sequence[tuple[str, str]]
    parts: Sequence[tuple[str, str, tuple[str, str]]]

    @staticmethod
    def strategies() -> Mapping[str, st.SearchStrategy[Any]]:
        return {
            "domain": st.sampled_from(["0", "3", "5", "6"]),
            "state": st.sampled_from(["0", "1", "true", "false"]),
            "bordereau": st.none() | st.tuples(st.sampled_from(["2025", "2026"]), _NUMBERS),
            "errors": st.lists(_ANOMALIES, max_size=2),
            "parts": st.lists(st.tuples(_NUMBERS, st.sampled_from(["", "1", "2"]), _ANOMALIES), max_size=4),
        }

    def xml(self) -> str:
        return element(self.domain, self.state, bordereau=self.bordereau, errors=self.errors, parts=self.parts)

    def key(self) -> tuple[str, str, str, str]:
        if self.bordereau is None:
            return self.domain, "flux", "", ""
        return self.domain, "bordereau", *self.bordereau
