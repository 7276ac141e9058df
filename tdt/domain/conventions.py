"""Conventions of télétransmission: what is in force on a day, and the verdict before each transmission.

CGCT R2131-1 to R2131-4: a convention with the préfet says from when, what and by whom actes are sent; an avenant
changes it from a day on. The same rules hold for the agreement with the poste of the DGFiP.
"""

import re
from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_midnight
from tdt.domain.errors import Held
from tdt.domain.ids import AuthorityId

LOOK_AGAIN = timedelta(hours=1)
"""How often a held flow is looked at besides the moments at which its convention changes: it leaves, come what may."""
SOON = timedelta(days=30)
"""A convention that ends within so long is allowed with a warning."""
LABELS = {Module.ACTES: "ACTES", Module.HELIOS: "HELIOS", Module.MAIL: "mail sécurisé"}
DOMAINS = {Module.ACTES: "[1-6]", Module.HELIOS: "PES_[A-Za-z0-9_]+"}
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Avenant:
    """What a convention becomes from `effective_on` on; None: unchanged."""

    id: int
    reference: str
    signed_on: date
    effective_on: date
    ends_on: date | None = None
    device: str | None = None
    state_party: str | None = None
    operator: str | None = None
    domains: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Convention:
    """A convention as it was signed, with its avenants. `ends_on` is the last day covered; None: no end was agreed.

    `domains`: natures of actes (1 to 6), or elements of a PES (PES_DepenseAller…); empty: all of them. `operator`: the
    mutualisation operator through which the collectivité télétransmet; empty: none is named.
    """

    id: int
    authority_id: AuthorityId
    module: Module
    reference: str
    signed_on: date
    starts_on: date
    ends_on: date | None = None
    device: str = ""
    state_party: str = ""
    operator: str = ""
    domains: frozenset[str] = frozenset()
    avenants: tuple[Avenant, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspension:
    """A stop of the télétransmission, for all domains when `domains` is empty. `ends_on`: its last day; None: until
    somebody lifts it. `flow`: of this one only (its number); `everyone`: of all collectivités."""

    id: int
    module: Module
    starts_on: date
    ends_on: date | None
    reason: str
    domains: frozenset[str] = frozenset()
    flow: int | None = None
    everyone: bool = False

    def is_open(self, day: date) -> bool:
        """Does it count on this day?"""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)

    def covers(self, day: date, wanted: Set[str], flows: Set[int] = frozenset()) -> bool:
        """Does it stop these domains on this day, or one of these flows? A flow of no domain is stopped by what stops
        all of them."""
        if not self.is_open(day) or (self.flow is not None and self.flow not in flows):
            return False
        return not self.domains or bool(self.domains & wanted)

    @property
    def clause(self) -> str:
        """What is told of a flow that it stops."""
        if self.flow is not None:
            return f"Envoi retenu par l'exploitant : {self.reason}"
        whose = " pour toutes les collectivités" if self.everyone else ""
        return f"Télétransmission suspendue{whose}{_until(self.ends_on)} : {self.reason}"


@dataclass(frozen=True, slots=True)
class Terms:
    """A convention as it stands on a day: `avenant_id` is the last avenant that counts, if any."""

    ends_on: date | None
    device: str
    state_party: str
    operator: str
    domains: frozenset[str]
    avenant_id: int | None


class Outcome(StrEnum):
    """What becomes of a transmission."""

    ALLOWED = "allowed"
    WARNED = "warned"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, the clause that it rests on (in French), and since when or until when it may change by itself.

    `changes_on`: the next day on which the calendar alone may give another verdict; None when only somebody can.
    """

    outcome: Outcome
    clause: str
    convention_id: int | None = None
    avenant_id: int | None = None
    suspension_id: int | None = None
    changes_on: date | None = None

    @property
    def held(self) -> bool:
        """Must the flow wait?"""
        return self.outcome is Outcome.HELD


@dataclass(frozen=True, slots=True)
class Policy:
    """What the platform adds (configuration, `[conventions]`): the names under which it is an operator, compared
    without regard to case, none: operators are not compared; whether nothing leaves without a convention recorded."""

    operators: frozenset[str] = frozenset()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known of a collectivité for one module. `group`: the name of its group today, an operator like ours."""

    conventions: tuple[Convention, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    group: str | None = None


def is_domain(module: Module, domain: str) -> bool:
    """Is it the name of something that a convention of this module may cover? A misspelt one would hold everything."""
    return module in DOMAINS and re.fullmatch(DOMAINS[module], domain) is not None


def terms_on(convention: Convention, day: date) -> Terms:
    """The convention as its avenants in force on this day make it.

    An avenant that comes after the end that it was to move still counts from its own day on: the convention was then
    interrupted in between.
    """
    terms = Terms(
        convention.ends_on,
        convention.device,
        convention.state_party,
        convention.operator,
        convention.domains,
        None,
    )
    for avenant in sorted(convention.avenants, key=lambda one: (one.effective_on, one.id)):
        if avenant.effective_on <= day:
            terms = Terms(
                terms.ends_on if avenant.ends_on is None else avenant.ends_on,
                terms.device if avenant.device is None else avenant.device,
                terms.state_party if avenant.state_party is None else avenant.state_party,
                terms.operator if avenant.operator is None else avenant.operator,
                terms.domains if avenant.domains is None else avenant.domains,
                avenant.id,
            )
    return terms


def find_stop(dossier: Dossier, wanted: Set[str], day: date, flows: Set[int] = frozenset()) -> Verdict | None:
    """The verdict of the first suspension that stops a flow of these domains, or one of these flows, if any does."""
    for suspension in dossier.suspensions:
        if suspension.covers(day, wanted, flows):
            back = suspension.ends_on + DAY if suspension.ends_on is not None else None
            return Verdict(Outcome.HELD, suspension.clause, suspension_id=suspension.id, changes_on=back)
    return None


def judge(dossier: Dossier, wanted: Set[str], day: date, policy: Policy, flows: Set[int] = frozenset()) -> Verdict:
    """May a flow of these domains leave on this civil day (Paris)?

    `wanted` is empty for what is of no domain, such as a request of classification. A suspension stops whatever the
    conventions say; then any convention that covers the flow lets it go. `flows`: the numbers of what would leave.
    """
    stop = find_stop(dossier, wanted, day, flows)
    if stop is not None:
        return stop
    if not dossier.conventions:
        return _without(policy)
    if policy.operators and dossier.group is not None:
        policy = replace(policy, operators=policy.operators | {dossier.group})
    verdicts = [_by(convention, wanted, day, policy) for convention in dossier.conventions]
    best = min(verdicts, key=lambda one: (list(Outcome).index(one.outcome), -(one.convention_id or 0)))
    if not best.held:
        return best
    days = [one.changes_on for one in verdicts if one.changes_on is not None]
    return replace(best, changes_on=min(days, default=None))


def hold(verdict: Verdict, now: datetime) -> Held:
    """The error of a flow that waits: when to look at it again."""
    at = now + LOOK_AGAIN
    if verdict.changes_on is not None:
        at = min(at, max(paris_midnight(verdict.changes_on), now))
    return Held(verdict.clause, details={"retry_at": at})


def last_day(convention: Convention) -> date | None:
    """Its end with every avenant, even one still to come, that is in force before it would end. None: no end."""
    last = convention.ends_on
    for avenant in sorted(convention.avenants, key=lambda one: (one.effective_on, one.id)):
        in_time = last is None or avenant.effective_on <= last + DAY
        if in_time and avenant.ends_on is not None:
            last = avenant.ends_on
    return last


def takes_over(new: Convention, old: Convention) -> bool:
    """Does `new`, of the same collectivité and module, cover without a gap all that `old` covers, for longer?"""
    end, own_end = last_day(old), last_day(new)
    if new.id == old.id or end is None:
        return False
    before, after = terms_on(old, end).domains, terms_on(new, end + DAY).domains
    if after and not (before and before <= after):
        return False
    return new.starts_on <= end + DAY and (own_end is None or own_end > end)


def _without(policy: Policy) -> Verdict:
    if policy.required:
        return Verdict(Outcome.HELD, "Aucune convention de télétransmission n'est enregistrée.")
    return Verdict(Outcome.WARNED, "Aucune convention de télétransmission n'est enregistrée : envoi sans vérification.")


def _by(convention: Convention, wanted: Set[str], day: date, policy: Policy) -> Verdict:
    """What this convention alone says."""
    terms = terms_on(convention, day)
    reason = _objection(convention, terms, wanted, day, policy)
    name = f"Convention {convention.reference}"
    if reason:
        return Verdict(
            Outcome.HELD, f"{name} : {reason}", convention.id, terms.avenant_id, None, _next_change(convention, day)
        )
    if terms.ends_on is not None and terms.ends_on - day < SOON and not _is_extended(convention, terms.ends_on):
        clause = f"{name} : elle se termine le {_fr(terms.ends_on)}."
        return Verdict(Outcome.WARNED, clause, convention.id, terms.avenant_id)
    return Verdict(Outcome.ALLOWED, f"{name} : en vigueur{_until(terms.ends_on)}.", convention.id, terms.avenant_id)


def _objection(convention: Convention, terms: Terms, wanted: Set[str], day: date, policy: Policy) -> str:
    if day < convention.starts_on:
        return f"elle ne commence que le {_fr(convention.starts_on)}."
    if terms.ends_on is not None and day > terms.ends_on:
        return f"elle s'est terminée le {_fr(terms.ends_on)}."
    missing = sorted(set(wanted) - terms.domains) if terms.domains else []
    if missing:
        kind = "la nature" if convention.module is Module.ACTES else "le domaine"
        return f"elle ne couvre pas {kind} {', '.join(missing)}."
    if terms.operator and policy.operators and _plain(terms.operator) not in set(map(_plain, policy.operators)):
        return f"elle désigne un autre opérateur, « {terms.operator} »."
    return ""


def _is_extended(convention: Convention, last: date) -> bool:
    """Does an avenant to come take over, at the latest the day after the end?"""
    return any(one.effective_on <= last + DAY and (one.ends_on or last) > last for one in convention.avenants)


def _next_change(convention: Convention, day: date) -> date | None:
    days = [convention.starts_on, *(one.effective_on for one in convention.avenants)]
    return min((one for one in days if one > day), default=None)


def _until(day: date | None) -> str:
    return f" jusqu'au {_fr(day)}" if day is not None else ""


def _fr(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
