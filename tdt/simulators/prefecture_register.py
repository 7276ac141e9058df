"""What the préfecture remembers: the acts that it acknowledged, its letters about them, and what it was answered."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tdt.simulators.journal import Journal
from tdt.simulators.prefecture_answers import Party
from tdt.simulators.prefecture_checks import Message
from tdt.simulators.prefecture_grammar import attribute

AUTOMATIC = ("3-2", "4-2")
"""What a TdT says by itself of a letter."""


class UnknownActe(Exception):
    """No act of this identifier has been acknowledged here."""


class Register:
    """On the journal: what it holds survives everything, resets included."""

    def __init__(self, journal: Journal, parties: Mapping[str, Party]):
        self._journal = journal
        self._parties = parties

    def add_acte(self, id_acte: str, siren: str, addresses: Sequence[str]) -> None:
        """An act was acknowledged; its letters go to these addresses."""
        self._journal.put(f"act/{id_acte}", {"siren": siren, "addresses": list(addresses)})

    def free(self, id_acte: str) -> None:
        """An act was cancelled: its number may be used again."""
        for kind in ("act", "letters"):
            self._journal.remove(f"{kind}/{id_acte}")

    def has(self, id_acte: str) -> bool:
        """Is an act of this identifier registered?"""
        return self._journal.get(f"act/{id_acte}") is not None

    def acts(self) -> list[dict[str, Any]]:
        """The acts acknowledged here and not cancelled since."""
        found = self._journal.all_under("act/")
        return [{"id_acte": id_acte, "siren": acte["siren"]} for id_acte, acte in found.items()]

    def find(self, id_acte: str) -> tuple[list[str], Party]:
        """Where the mails about an act go, and whose it is. Raises UnknownActe."""
        acte = self._journal.get(f"act/{id_acte}")
        party = self._parties.get(acte["siren"]) if acte else None
        if party is None:
            raise UnknownActe(id_acte)
        return acte["addresses"], party

    def letters(self, id_acte: str) -> list[dict[str, Any]]:
        """What was written about an act, whether it was acknowledged (3-2, 4-2), what answered it."""
        found: list[dict[str, Any]] = self._journal.get(f"letters/{id_acte}", [])
        return found

    def add_letter(self, id_acte: str, code: str, day: date, name: str) -> None:
        """A letter leaves."""
        letter = {"code": code, "date": day.isoformat(), "message": name, "acknowledged": False, "answers": []}
        self._journal.put(f"letters/{id_acte}", [*self.letters(id_acte), letter])

    def was_written(self, id_acte: str, code: str, day: str) -> bool:
        """Was there a letter of this code and date?"""
        return any((one["code"], one["date"]) == (code, day) for one in self.letters(id_acte))

    def add_answer(self, message: Message) -> None:
        """A letter of that kind and date has its acknowledgement, or one more answer."""
        if message.id_acte is None:
            return
        letters = self.letters(message.id_acte)
        wanted = (f"{message.code[0]}-1", attribute(message.root, "DateCourrierPref"))
        for letter in [one for one in letters if (one["code"], one["date"]) == wanted]:
            if message.code in AUTOMATIC:
                letter["acknowledged"] = True
            else:
                letter["answers"].append(message.code)
        self._journal.put(f"letters/{message.id_acte}", letters)
