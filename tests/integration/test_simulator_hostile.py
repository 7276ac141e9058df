"""Whatever arrives, the préfecture decides without failing, and everything it writes is valid."""

import random
from pathlib import Path

import pytest

from tdt.simulators.journal import Journal
from tdt.simulators.prefecture_desk import Desk
from tests.actes_archives import SIREN, Acte, acte_parcel, answer_parcel, classification_parcel, with_changes
from tests.integration.prefecture_stand import read_mail

REGISTRY = [{"siren": SIREN, "department": "034", "district": "3", "nature": 31, "name": "Commune"}]


def spoil(data: bytearray, chance: random.Random) -> None:
    """Change a byte, cut some, or repeat some."""
    place = chance.randrange(len(data))
    match chance.randrange(3):
        case 0:
            data[place] = chance.randrange(256)
        case 1:
            del data[place : place + chance.randrange(1, 30)]
        case _:
            start = chance.randrange(len(data))
            data[place:place] = data[start : start + chance.randrange(1, 80)]


@pytest.mark.parametrize("seed", range(3))
def test_spoilt_archives_are_answered_with_valid_messages(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    journal = Journal(tmp_path)
    config = {"trigramme": "TDT", "quadrigramme": "TACT", "classification_date": "2019-03-01", "registry": REGISTRY}
    desk = Desk(config, journal)
    kinds: set[str] = set()
    for number in range(150):
        journal.set_behaviour(answer=chance.choice(["ar", "auto", "anomaly:001", "envelope-anomaly:003"]))
        good = chance.choice(
            [
                acte_parcel(Acte(number=f"N{number}", nature=chance.choice([1, 5]))),
                classification_parcel("2018-01-01", 1),
                answer_parcel(Acte().id_acte, chance.choice(["2-2", "3-2", "3-4", "4-3", "6-1"]), 1),
            ]
        )
        name, data = chance.choice([(name, bytearray(data)) for name, data in good.entries().items()])
        for _ in range(chance.choice([1, 1, 3])):
            if data:
                spoil(data, chance)
        archive = bytearray(with_changes(good, {name: bytes(data)}).build())
        if chance.random() < 0.1:
            spoil(archive, chance)
        writer = journal.writer()
        writer.write(archive)
        desk.receive(writer.finish(), good.name, {})
        for due in journal.due(now=1e12):
            kinds.add(read_mail(journal.due_content(due.id) or b"").kind)
            journal.complete(due.id)
    assert {"AnomalieEnveloppe", "AnomalieActe", "ARActe"} <= kinds
    journal.close()
