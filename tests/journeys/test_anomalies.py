"""What the préfecture refuses turns to -1 with its words; what it has twice does not."""

from collections.abc import Iterator

import pytest

from tests.journeys.running import Sandbox, acte_status, post_acte, until


@pytest.fixture(autouse=True)
def ordinary_again(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("/reset", {})


def end(sandbox: Sandbox, transaction: int) -> tuple[int, str]:
    client = sandbox.client("certonly")

    def ended() -> tuple[int, str] | None:
        status, rest = acte_status(client, transaction)
        return (status, rest.decode("latin-1")) if status in (-1, 4) else None

    return until(ended, 20, f"transaction {transaction} does not end")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("anomaly:007", "Anomalie signalee par le MI : 007"),
        ("envelope-anomaly:003", "Enveloppe rejetée par le MI (003"),
        ("envelope-anomaly:999", "Enveloppe rejetée par le MI (999"),
    ],
)
def test_a_refusal_turns_to_minus_one(sandbox: Sandbox, answer: str, words: str) -> None:
    sandbox.control("/prefecture/behaviour", {"answer": answer})
    number = answer.replace(":", "").replace("-", "")[-10:].upper()
    status, text = end(sandbox, post_acte(sandbox.client("certonly"), number))
    assert status == -1
    assert words in text


def test_every_mail_twice_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.control("/prefecture/behaviour", {"duplicate_mail": True})
    assert end(sandbox, post_acte(sandbox.client("certonly"), "DOUBLE"))[0] == 4


def test_an_outage_only_delays(sandbox: Sandbox) -> None:
    sandbox.control("/prefecture/behaviour", {"outage": True})
    transaction = post_acte(sandbox.client("certonly"), "PANNE")
    until(lambda: acte_status(sandbox.client("certonly"), transaction)[0] == 2 or None, 10, "waits at 2")
    sandbox.control("/prefecture/behaviour", {"outage": False})
    assert end(sandbox, transaction)[0] == 4


def test_an_ambiguous_answer_is_resent_identical_and_never_turns_to_minus_one(sandbox: Sandbox) -> None:
    sandbox.control("/prefecture/behaviour", {"answer": "auto", "http_status": 202})
    transaction = post_acte(sandbox.client("certonly"), "AMBIGU")
    until(lambda: len(receptions(sandbox, "AMBIGU")) == 1 or None, 10, "received")
    sandbox.control("/prefecture/behaviour", {"http_status": 201})
    assert end(sandbox, transaction)[0] == 4
    assert len(set(receptions(sandbox, "AMBIGU"))) == 1


def receptions(sandbox: Sandbox, number: str) -> list[tuple[str, str]]:
    """Name and digest of each reception of an act."""
    return [
        (one["name"], one["sha256"])
        for one in sandbox.control("/prefecture/received")
        if number in one["metadata"]["acts"]
    ]
