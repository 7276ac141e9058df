"""What a file of the DGFiP says, besides whose it is: read in the same pass, by its root."""

from collections.abc import Mapping

from tdt.domain.helios.model import ReturnKind
from tdt.domain.helios.news import News, NewsReader
from tdt.domain.helios.verdict import Verdict, VerdictReader

# By local name in lower case, whatever the namespace: the names of 2008 differ by case and their namespace has a typo.
KINDS: Mapping[str, ReturnKind] = {
    "pes_acquit": ReturnKind.ACQUIT,
    "pes_nonacquit": ReturnKind.NON_ACQUIT,
    "pes_retour": ReturnKind.RETOUR,
}


class AnswerReader:
    """Chooses the reader by the root; a file of another kind says nothing that is read."""

    names = VerdictReader.names | NewsReader.names

    def __init__(self) -> None:
        self._kind = ReturnKind.UNKNOWN
        self._reader: VerdictReader | NewsReader | None = None

    def start(self, depth: int, name: str, value: str) -> None:
        """One element begins; the first is the root."""
        if depth == 1:
            self._kind = KINDS.get(name.lower(), ReturnKind.UNKNOWN)
            if self._kind is ReturnKind.RETOUR:
                self._reader = NewsReader()
            elif self._kind is not ReturnKind.UNKNOWN:
                self._reader = VerdictReader()
        elif self._reader is not None:
            self._reader.start(depth, name, value)

    def close(self) -> Verdict | News | None:
        """What was said; nothing by a file of another kind."""
        if isinstance(self._reader, VerdictReader):
            return self._reader.close(refused=self._kind is ReturnKind.NON_ACQUIT)
        return self._reader.close() if self._reader is not None else None
