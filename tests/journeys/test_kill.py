"""Kill -9 of any process, again and again: every act that was answered OK reaches its AR, once."""

import random
import signal
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

import psutil
import pytest

from tests.journeys.running import Sandbox, acte_status, fresh, post_acte, until

ACTES = 40
SEED = 20261122
POSTING_SECONDS = 150.0


class Killer(threading.Thread):
    """Kills a random process of the sandbox now and then, until told to stop."""

    def __init__(self, sandbox: Sandbox):
        super().__init__(daemon=True)
        self.killed: Counter[str] = Counter()
        self._sandbox = sandbox
        self._stop_event = threading.Event()
        self._random = random.Random(SEED)

    def run(self) -> None:
        while not self._stop_event.wait(self._random.uniform(0.3, 1.5)):
            victims = self._sandbox.processes()
            if not victims:
                continue
            victim = self._random.choice(victims)
            with suppress(psutil.NoSuchProcess):
                name = " ".join(victim.cmdline()[:5])[-60:] or victim.name()
                victim.send_signal(signal.SIGKILL)
                self.killed[name] += 1

    def stop(self) -> None:
        self._stop_event.set()
        self.join()


@pytest.mark.timeout(300)
def test_every_acte_answered_ok_reaches_its_ar_once() -> None:
    with fresh() as sandbox:
        client = sandbox.client("certonly")
        killer = Killer(sandbox)
        killer.start()
        answered: dict[int, str] = {}
        deadline = time.monotonic() + POSTING_SECONDS
        tried = 0
        # as many tries as a machine needs, however slowly it starts again what was killed
        while (tried < ACTES or len(answered) < ACTES // 2) and time.monotonic() < deadline:
            with suppress(OSError, AssertionError, ValueError):
                answered[post_acte(client, f"KILL_{tried}")] = f"KILL_{tried}"
            tried += 1
            time.sleep(0.25)
        killer.stop()
        last_kill = time.monotonic()
        assert len(answered) >= ACTES // 2, (len(answered), tried, killer.killed)
        waiting = set(answered)
        seconds = 60 - (time.monotonic() - last_kill)
        until(lambda: _all_acknowledged(sandbox, waiting), seconds, ("without AR", waiting))
        assert_received_once(sandbox, set(answered.values()))


def _all_acknowledged(sandbox: Sandbox, waiting: set[int]) -> bool | None:
    """Forget those that have their AR; True when none is left."""
    waiting -= {transaction for transaction in waiting if _is_acknowledged(sandbox, transaction)}
    return not waiting or None


def _is_acknowledged(sandbox: Sandbox, transaction: int) -> bool | None:
    with suppress(OSError, ValueError):
        status, rest = acte_status(sandbox.client("certonly"), transaction)
        assert status != -1, rest
        return status == 4 or None
    return None


def assert_received_once(sandbox: Sandbox, numbers: set[str]) -> None:
    """One name and one digest an act; a second reception only of the very same bytes under the very same name."""
    received = until(lambda: _received(sandbox), 30, "the simulators answer")
    by_number: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for archive in received:
        for number in archive["metadata"]["acts"]:
            by_number[number].add((archive["name"], archive["sha256"]))
    for number in numbers:
        assert len(by_number[number]) == 1, (number, by_number[number])


def _received(sandbox: Sandbox) -> list[dict[str, Any]] | None:
    with suppress(OSError):
        received: list[dict[str, Any]] = sandbox.control("/prefecture/received")
        return received
    return None
