"""The level of a certificate: its policies and the very authority that issued it; without both, none, and why."""

import pytest

from tdt.domain.rgs import Holder, Issuer, Level, Policy, Verdict, judge, strays

SOFTWARE = Policy("1.2.3.1", Level.ONE, Holder.SERVER)
PERSON = Policy("1.2.3.2", Level.TWO, Holder.PERSON)
BY_NAME = Issuer("CN=A", policies=(SOFTWARE, PERSON))
PINNED = Issuer("CN=B", "b" * 64, policies=(SOFTWARE,))
BOTH = (BY_NAME, PINNED)


@pytest.mark.parametrize(
    ("issuers", "subject", "sha256", "policies", "verdict"),
    [
        (BOTH, "CN=A", "0" * 64, ["1.2.3.1"], Verdict(Level.ONE, Holder.SERVER)),
        (BOTH, "CN=A", "1" * 64, ["9.9", "1.2.3.2"], Verdict(Level.TWO, Holder.PERSON)),
        (BOTH, "CN=A", "0" * 64, ["1.2.3.1", "1.2.3.2"], Verdict(Level.TWO, Holder.PERSON)),
        (BOTH, "CN=B", "b" * 64, ["1.2.3.1"], Verdict(Level.ONE, Holder.SERVER)),
        # the entry of the very certificate comes before that of its name
        (
            (Issuer("CN=B", policies=(PERSON,)), PINNED),
            "CN=B",
            "b" * 64,
            ["1.2.3.1"],
            Verdict(Level.ONE, Holder.SERVER),
        ),
        (
            (PINNED, Issuer("CN=B", policies=(PERSON,))),
            "CN=B",
            "c" * 64,
            ["1.2.3.2"],
            Verdict(Level.TWO, Holder.PERSON),
        ),
    ],
)
def test_a_policy_of_a_declared_authority(
    issuers: tuple[Issuer, ...], subject: str, sha256: str, policies: list[str], verdict: Verdict
) -> None:
    assert judge(issuers, subject, sha256, policies) == verdict


@pytest.mark.parametrize(
    ("subject", "sha256", "policies", "told"),
    [
        ("CN=Z", "0" * 64, ["1.2.3.1"], ("« CN=Z »", "n'est pas une autorité RGS déclarée", "1.2.3.1", "exploitant")),
        ("CN=Z", "0" * 64, [], ("« CN=Z »", "ne porte aucune politique", "RGS* (logiciel)")),
        ("CN=B", "c" * 64, ["1.2.3.1"], ("« CN=B »", "porte le nom d'une autorité", "n'en a pas le certificat")),
        ("CN=B", "b" * 64, ["1.2.3.2", "1.2.3.10"], ("« CN=B »", "pas pour cette sorte", "1.2.3.2, 1.2.3.10")),
        ("CN=A", "0" * 64, ["1.2.3"], ("« CN=A »", "pas pour cette sorte", "déclarer cette politique")),
    ],
)
def test_no_level_and_why(subject: str, sha256: str, policies: list[str], told: tuple[str, ...]) -> None:
    verdict = judge(BOTH, subject, sha256, policies)
    assert (verdict.level, verdict.holder) == (Level.NONE, None)
    assert [words for words in told if words not in verdict.reason] == []


def test_reasons_are_readable_by_every_client() -> None:
    """S2LOW's answers are ISO-8859-1."""
    for reason in (
        judge(BOTH, "CN=é", "", ["1.2"]).reason,
        judge(BOTH, "CN=A", "", []).reason,
        strays("CN=Z", [], "x"),
    ):
        assert reason.encode("latin-1") and reason.endswith(".")
    assert "« CN=Z »" in strays("CN=Z", ["1.2.3"], "x") and "1.2.3" in strays("CN=Z", ["1.2.3"], "x")
