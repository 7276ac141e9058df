"""The journal of the simulators: what it says is on disk is there after a death, and nothing is delivered twice."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdt.simulators.delivery import deliver
from tdt.simulators.journal import Journal, JournalBusy


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


def reopen(journal: Journal, tmp_path: Path) -> Journal:
    journal.close()
    return Journal(tmp_path / "journal")


def receive(journal: Journal, name: str, data: bytes) -> None:
    writer = journal.writer()
    for start in range(0, len(data), 7):
        writer.write(data[start : start + 7])
    journal.reception(name, {"note": name}, writer.finish())


def test_receptions_are_listed_in_order_and_survive(journal: Journal, tmp_path: Path) -> None:
    for number in range(3):
        receive(journal, f"n{number}", b"body %d" % number * 50)
    journal = reopen(journal, tmp_path)
    items = [reception.as_json() for reception in journal.receptions()]
    assert [item["name"] for item in items] == ["n0", "n1", "n2"]
    assert items[1]["sha256"] == hashlib.sha256(b"body 1" * 50).hexdigest()
    assert items[1]["size"] == 300 and items[1]["metadata"] == {"note": "n1"}
    path = journal.reception_path(2)
    assert path is not None and path.read_bytes() == b"body 2" * 50
    assert journal.reception_path(3) is None and journal.reception_path(-1) is None
    journal.close()


def test_adopt_takes_a_file_over(journal: Journal, tmp_path: Path) -> None:
    source = tmp_path / "uploaded"
    source.write_bytes(b"x" * 3_000_000)
    stored = journal.adopt(source)
    assert not source.exists() and stored.size == 3_000_000
    assert journal.body_path(stored).stat().st_size == 3_000_000
    journal.forget(stored)
    assert not journal.body_path(stored).exists()


def test_an_interrupted_reception_leaves_nothing(journal: Journal, tmp_path: Path) -> None:
    receive(journal, "kept", b"kept")
    unfinished = journal.writer()
    unfinished.write(b"half")
    finished = journal.writer()
    finished.write(b"never listed")
    finished.finish()
    journal = reopen(journal, tmp_path)
    left = [file for folder in ("incoming", "bodies") for file in (tmp_path / "journal" / folder).iterdir()]
    assert [file.read_bytes() for file in left] == [b"kept"]
    unfinished.discard()
    journal.close()


def test_behaviour_state_and_reset(journal: Journal, tmp_path: Path) -> None:
    defaults = {"answer": "ar", "delay": 0.5}
    journal.set_behaviour(delay=2)
    journal.put("register", {"a": [1]})
    journal = reopen(journal, tmp_path)
    assert journal.behaviour(defaults) == {"answer": "ar", "delay": 2}
    assert [journal.next_serial("envelope") for _ in range(2)] == [1, 2]
    receive(journal, "one", b"1")
    journal.add_due(0, {})
    journal.reset()
    assert journal.behaviour(defaults) == defaults
    assert journal.receptions() == [] and journal.due() == [] and journal.next_due() is None
    assert journal.get("register") == {"a": [1]} and journal.next_serial("envelope") == 3
    journal.remove("register")
    assert journal.get("register", "none") == "none"
    assert list((tmp_path / "journal" / "bodies").iterdir()) == []
    journal.close()


def test_due_comes_in_order_of_time(journal: Journal) -> None:
    late = journal.add_due(200, {"which": "late"}, b"late bytes")
    early = journal.add_due(100, {"which": "early"})
    assert [due.id for due in journal.due(now=150)] == [early]
    assert [due.payload["which"] for due in journal.due(now=300)] == ["early", "late"]
    assert journal.next_due() == 100 and journal.due_content(late) == b"late bytes"
    journal.complete(early)
    journal.complete(late)
    assert journal.due() == [] and journal.add_due(0, {}) > late  # an id is never used again


def test_a_failed_transaction_leaves_nothing(journal: Journal) -> None:
    with pytest.raises(ValueError, match="no"), journal.transaction():
        journal.put("a", 1)
        journal.add_due(0, {})
        raise ValueError("no")
    assert journal.get("a") is None and journal.due() == []


def test_threads_share_it(journal: Journal) -> None:
    def work() -> None:
        for _ in range(20):
            with journal.transaction():
                journal.next_serial("shared")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.next_serial("shared") == 81


def test_one_process_at_a_time(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalBusy):
        Journal(tmp_path / "journal")


@pytest.mark.parametrize("crash", ["before staging", "staged", "started", "renamed"])
def test_delivery_is_exactly_once_wherever_it_died(journal: Journal, tmp_path: Path, crash: str) -> None:
    staging, target = tmp_path / "tmp", tmp_path / "new" / "mail"
    staging.mkdir()
    target.parent.mkdir()
    number = journal.add_due(0, {}, b"content")
    staged = staging / f"{number}.mail"
    if crash != "before staging":
        staged.write_bytes(b"cont" if crash == "staged" else b"content")
    if crash in ("started", "renamed"):
        journal.start(number)
    if crash == "renamed":
        staged.unlink()  # renamed into the target, and taken away by the receiver at once
    journal = reopen(journal, tmp_path)
    for due in journal.due():
        deliver(journal, due, staging, target)
    assert journal.due() == [] and not staged.exists()
    if crash == "renamed":
        assert not target.exists()
    else:
        assert target.read_bytes() == b"content"
    journal.close()


VICTIM = """
import sys
from pathlib import Path
from tdt.simulators.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(1000000):
    writer = journal.writer()
    writer.write(b"%d" % number)
    stored = writer.finish()
    with journal.transaction():
        journal.reception(str(number), {}, stored)
        journal.add_due(0, {"of": number})
    print(number, flush=True)
"""


def test_acknowledged_means_kept_after_kill(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path / "journal")], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    acknowledged = [int(victim.stdout.readline()) for _ in range(10)]
    os.kill(victim.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in victim.stdout.read().splitlines()]
    victim.stdout.close()
    victim.wait()
    journal = Journal(tmp_path / "journal")
    names = [int(reception.name) for reception in journal.receptions()]
    assert names[: len(acknowledged)] == acknowledged
    assert len(names) - len(acknowledged) <= 1  # the last one may be on disk without having been acknowledged
    assert [due.payload["of"] for due in journal.due()] == names
    for number in names:
        path = journal.reception_path(number)
        assert path is not None and path.read_bytes() == b"%d" % number
    journal.close()
