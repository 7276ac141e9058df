"""A collectivité deposits ten thousand flows; another posts single actes meanwhile: how long each takes to leave."""

import time
from collections.abc import Iterator, Sequence

from loadtests.actes import NUMBER_LENGTH, PATH, burst
from loadtests.memory import deposit, wait_until
from loadtests.pes import Wish, write_pes
from loadtests.result import Outcome, Sample, Side
from loadtests.stand import Stand, run_sql, sandbox
from loadtests.wire import Crowd
from tdt.domain.actes.model import ActeStatus
from tests.pdf_files import PDF

LIMIT_SECONDS = 30.0
CLIENTS = 6
ACTES, PES = 9_900, 100
"""A collectivité has 9,999 envelopes of actes a day: the rest of the ten thousand is of HELIOS."""
MOMENTS = 11
LAPSE = """
    select extract(epoch from min(w.at) filter (where w.status = {status}) - min(w.at))::float8
    from acte_transaction t join acte_workflow w on w.transaction_id = t.id
    where t.number = '{number}' and t.type = 1"""
WAITING = "select count(*) from job where authority_id = (select min(id) from authority)"


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """The whole sandbox with its simulators; the same collectivité posts alone first, in the same run."""
    share = 20 if quick else 1
    with sandbox(stand.directory) as (running, _), Crowd(CLIENTS) as crowd, Crowd(1) as one:
        alone = _alone(running, one)
        _deposit_pes(running, PES // share)
        numbers, waiting = [], []
        started = time.monotonic()
        for moment in range(MOMENTS):
            numbers.append(_post(running, one, f"B{moment:02}"))
            waiting.append(_count_waiting(running))
            if moment + 1 < MOMENTS:
                _bring(running, crowd, moment, ACTES // share // (MOMENTS - 1))
                print(f"    {moment + 1}/{MOMENTS - 1}: {waiting[-1]} jobs waited", flush=True)
        brought = time.monotonic() - started
        for number in numbers:
            _wait(running, number)
        for status, name in ((ActeStatus.TRANSMIS, "to 3"), (ActeStatus.ACQUITTEMENT_RECU, "to 4")):
            beside = [_lapse(running, number, status) or 0.0 for number in numbers]
            yield _tell(name, beside, [_lapse(running, number, status) or 0.0 for number in alone], waiting, brought)


def _tell(
    name: str, beside: Sequence[float], alone: Sequence[float], waiting: Sequence[int], brought: float
) -> Outcome:
    """The worst beside the crowd against the worst alone."""
    worst, idle = max(beside), max(alone)
    each = ", ".join(f"{seconds:.1f} ({jobs})" for seconds, jobs in zip(beside, waiting, strict=True))
    note = f"seconds of each acte (jobs of the crowd that waited then): {each}; the crowd came in {brought:.0f} s"
    ours, baseline = Side("worst beside the crowd", [Sample(worst)]), Side("worst alone", [Sample(idle)])
    return Outcome(
        f"fairness, {name}",
        "s",
        ours,
        baseline,
        [worst / idle],
        LIMIT_SECONDS,
        at_least=False,
        note=note,
        of_value=True,
    )


def _alone(stand: Stand, one: Crowd) -> list[str]:
    numbers = []
    for number in range(5):
        numbers.append(_post(stand, one, f"A{number:02}"))
        _wait(stand, numbers[-1])
    return numbers


def _wait(stand: Stand, number: str) -> None:
    """For its AR."""
    wait_until(lambda: _lapse(stand, number, ActeStatus.ACQUITTEMENT_RECU) is not None, number)
    print(f"    {number}: {_lapse(stand, number, ActeStatus.ACQUITTEMENT_RECU):.1f} s", flush=True)


def _post(stand: Stand, one: Crowd, name: str) -> str:
    """One acte of the other collectivité, answered; its number."""
    number = f"SEUL{name}".ljust(NUMBER_LENGTH, "0")
    one.run(burst(stand, stand.port, PATH, "other", PDF), [number])
    return number


def _bring(stand: Stand, crowd: Crowd, moment: int, count: int) -> None:
    crowd.run(
        burst(stand, stand.port, PATH, pdf=PDF),
        [f"F{moment:02}{number:0{NUMBER_LENGTH - 3}}" for number in range(count)],
    )


def _deposit_pes(stand: Stand, count: int) -> None:
    path = stand.directory / "flow.xml"
    for number in range(count):
        path.write_bytes(b"".join(write_pes(Wish(f"FOULE-{number:04}", 30_000, 1))))
        deposit(stand, path)
    path.unlink()


def _count_waiting(stand: Stand) -> int:
    return int(run_sql(stand, WAITING)[0][0])


def _lapse(stand: Stand, number: str, status: ActeStatus) -> float | None:
    """Seconds from its deposit to a status; None while it is not there."""
    seconds: float | None = run_sql(stand, LAPSE.format(status=int(status), number=number))[0][0]
    return seconds
