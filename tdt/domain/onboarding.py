"""Opening of a collectivité: what it needs before its first acte or flow leaves, and what is still missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import LABELS, SOON, Outcome, Verdict
from tdt.domain.siren import is_siren
from tdt.domain.territory import NATURES, is_district


class State(StrEnum):
    """How far an item has come."""

    DONE = "done"
    WARNING = "warning"
    MISSING = "missing"
    NOT_APPLICABLE = "not_applicable"


class Who(StrEnum):
    """Who must act."""

    OPERATOR = "exploitant"
    ADMINISTRATOR = "administrateur de la collectivité"
    PARTNER = "collectivité et services de l'État"


@dataclass(frozen=True, slots=True)
class Bearer:
    """An active account that may télétransmettre in a module. `refusal`: why its certificate cannot, in French.

    `not_after` is None for a certificate that was never recorded.
    """

    name: str
    not_after: datetime | None
    refusal: str


@dataclass(frozen=True, slots=True)
class Way:
    """The route to the State of the day."""

    name: str
    test: bool


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What is known of one module of a collectivité. `tested`, `in_production`: the State has answered over a
    route of test, over one that is not."""

    verdict: Verdict
    way: Way | None = None
    bearers: Sequence[Bearer] = ()
    tested: bool = False
    in_production: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a collectivité. `closed_on`: the day from which it deposits nothing, once it has come."""

    active: bool
    closed_on: date | None
    siren: str
    nature: int
    department: str
    district: str
    email: str
    p_dest: str
    sirets: int
    classification_on: date | None
    modules: Mapping[Module, ModuleFacts]


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the checklist. `detail` says what stands or what is wrong, `remedy` what to do, both in French."""

    code: str
    module: Module | None
    label: str
    state: State
    detail: str
    remedy: str = ""
    who: Who | None = None


def checklist(facts: Facts, today: date) -> list[Item]:
    """Every item of a collectivité, those of its modules after its own."""
    return [
        *_identity(facts),
        *(item for module in Module for item in _module(facts, module, facts.modules.get(module), today)),
    ]


def is_complete(items: Sequence[Item]) -> bool:
    """May it open? Warnings do not keep it from it."""
    return all(item.state is not State.MISSING for item in items)


def _identity(facts: Facts) -> Iterator[Item]:
    yield _item(
        ("EN_SERVICE", None, "Collectivité en service"),
        _stopped(facts),
        "",
        ("la rouvrir, ou lever sa suspension, si elle doit transmettre", Who.OPERATOR),
    )
    yield _item(
        ("SIREN", None, "Numéro de SIREN"),
        "" if is_siren(facts.siren) else f"« {facts.siren} » n'est pas un SIREN : son chiffre de contrôle est faux.",
        facts.siren,
        ("corriger le SIREN de la collectivité", Who.OPERATOR),
    )
    placed = is_district(facts.department, facts.district)
    yield _item(
        ("LIEU", None, "Département et arrondissement"),
        "" if placed else f"Il n'y a pas d'arrondissement {facts.district} dans le département {facts.department}.",
        f"{facts.department}, {facts.district}",
        ("corriger le département et l'arrondissement", Who.OPERATOR),
    )
    yield _item(
        ("NATURE", None, "Nature de la collectivité"),
        "" if facts.nature in NATURES else f"Le type {facts.nature} n'existe pas.",
        NATURES.get(facts.nature, ""),
        ("corriger le type de la collectivité", Who.OPERATOR),
    )
    yield _item(
        ("EMAIL", None, "Adresse électronique"),
        "" if facts.email else "Sans adresse, les échéances ne lui sont pas annoncées.",
        facts.email,
        ("renseigner l'adresse électronique", Who.ADMINISTRATOR),
        State.WARNING,
    )
    if not facts.modules:
        why = "Aucun module n'est en service."
        yield Item("MODULES", None, "Modules", State.MISSING, why, "mettre un module en service", Who.OPERATOR)


def _stopped(facts: Facts) -> str:
    if facts.closed_on is not None:
        return f"Elle est fermée depuis le {facts.closed_on:%d/%m/%Y}."
    return "" if facts.active else "Elle est suspendue : ses comptes sont refusés."


def _module(facts: Facts, module: Module, known: ModuleFacts | None, today: date) -> Iterator[Item]:
    if known is None or module is Module.MAIL:
        why = "Ce module n'est pas en service." if known is None else "Rien ne part vers l'État."
        yield Item("MODULE", module, f"Module {LABELS[module]}", State.NOT_APPLICABLE, why)
        return
    yield _convention(module, known.verdict)
    yield _way(module, known.way)
    yield _bearer(module, known.bearers, today)
    yield from _particular(facts, module)
    yield _tested(module, known)


def _particular(facts: Facts, module: Module) -> Iterator[Item]:
    """What one module alone needs."""
    if module is Module.ACTES:
        day = facts.classification_on
        yield _item(
            ("CLASSIFICATION", module, "Classification de la préfecture"),
            "" if day is not None else "Aucune n'a été reçue : aucun acte ne peut être déposé.",
            f"datée du {day:%d/%m/%Y}" if day is not None else "",
            ("demander la classification", Who.ADMINISTRATOR),
        )
    if module is Module.HELIOS:
        yield _item(
            ("P_DEST", module, "Centre Hélios (P_DEST)"),
            "" if facts.p_dest else "Sans P_DEST, aucun flux ne peut partir.",
            facts.p_dest,
            ("renseigner le P_DEST que donne la DGFiP", Who.OPERATOR),
        )
        yield _item(
            ("SIRET", module, "SIRET des retours"),
            "" if facts.sirets else "Sans SIRET, les PES_Retour ne la trouvent pas avant son premier flux.",
            f"{facts.sirets}",
            ("ajouter les SIRET de la collectivité et de ses budgets", Who.OPERATOR),
            State.WARNING,
        )


def _convention(module: Module, verdict: Verdict) -> Item:
    states = {Outcome.ALLOWED: State.DONE, Outcome.WARNED: State.WARNING, Outcome.HELD: State.MISSING}
    state = states[verdict.outcome]
    remedy = ("enregistrer ou prolonger la convention", Who.PARTNER) if state is not State.DONE else ("", None)
    return Item("CONVENTION", module, f"Convention {LABELS[module]}", state, verdict.clause, *remedy)


def _way(module: Module, way: Way | None) -> Item:
    label = f"Route vers l'État ({LABELS[module]})"
    if way is None:
        remedy = "donner une route à la collectivité"
        return Item("ROUTE", module, label, State.MISSING, "Aucune route aujourd'hui.", remedy, Who.OPERATOR)
    if way.test:
        remedy = "donner la route de production une fois l'essai réussi"
        return Item("ROUTE", module, label, State.WARNING, f"« {way.name} », une route d'essai.", remedy, Who.OPERATOR)
    return Item("ROUTE", module, label, State.DONE, f"« {way.name} »")


def _bearer(module: Module, bearers: Sequence[Bearer], today: date) -> Item:
    label = f"Certificat qui peut télétransmettre ({LABELS[module]})"
    good = [one for one in bearers if not _objection(one, today)]
    if good:
        longest = max(good, key=_last_day)
        detail = f"{longest.name}, jusqu'au {_last_day(longest):%d/%m/%Y}"
        if _last_day(longest) - today < SOON:
            remedy = "renouveler le certificat"
            return Item("CERTIFICAT", module, label, State.WARNING, detail, remedy, Who.ADMINISTRATOR)
        return Item("CERTIFICAT", module, label, State.DONE, detail)
    if not bearers:
        why, remedy = "Aucun compte actif n'a le droit de télétransmettre.", "donner ce droit (RW ou TT) à un compte"
        return Item("CERTIFICAT", module, label, State.MISSING, why, remedy, Who.ADMINISTRATOR)
    first = bearers[0]
    why = f"{first.name} : {_objection(first, today)}"
    remedy = "enregistrer un certificat RGS en cours de validité"
    return Item("CERTIFICAT", module, label, State.MISSING, why, remedy, Who.ADMINISTRATOR)


def _objection(bearer: Bearer, today: date) -> str:
    """Why this account cannot télétransmettre."""
    if _last_day(bearer) < today:
        return f"son certificat s'est terminé le {_last_day(bearer):%d/%m/%Y}"
    return bearer.refusal


def _last_day(bearer: Bearer) -> date:
    return paris_date(bearer.not_after) if bearer.not_after is not None else date.max


def _tested(module: Module, known: ModuleFacts) -> Item:
    label = f"Premier essai ({LABELS[module]})"
    if known.tested:
        return Item("ESSAI", module, label, State.DONE, "un envoi d'essai a reçu la réponse de l'État")
    if known.in_production:
        return Item("ESSAI", module, label, State.DONE, "l'État a déjà répondu en production")
    remedy = "envoyer un essai au bac à sable ou à la plateforme d'essai de l'État"
    why = "Aucun envoi d'essai n'a encore reçu de réponse."
    return Item("ESSAI", module, label, State.MISSING, why, remedy, Who.ADMINISTRATOR)


def _item(
    what: tuple[str, Module | None, str],
    wrong: str,
    stands: str,
    remedy: tuple[str, Who],
    otherwise: State = State.MISSING,
) -> Item:
    """An item that is done unless something is `wrong`, in which case it is `otherwise`."""
    code, module, label = what
    if not wrong:
        return Item(code, module, label, State.DONE, stands)
    return Item(code, module, label, otherwise, wrong, *remedy)
