"""A budget in XML (DocumentBudgetaire, sealed by TotEM): what it says, and what refuses it before it leaves.

The seal is an integrity print (MD5 and SHA-1 of the canonical document without its Scellement), no signature: the
préfecture's application only reads a file that bears a right one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from tdt.domain.actes.status import INVALID_ENVELOPE
from tdt.domain.errors import Refused

NAMESPACE = "http://www.minefi.gouv.fr/cp/demat/docbudgetaire"
ROOT = "DocumentBudgetaire"
NATURE = 5
MATIERE = (7, 1)

DECISIONS: Mapping[str, str] = {
    "01": "Budget primitif",
    "02": "Décision modificative",
    "03": "Budget supplémentaire",
    "09": "Compte administratif",
    "10": "Compte financier unique",
}
"""NatDec."""

AMOUNTS = ("MtBudgPrec", "MtRARPrec", "MtPropNouv", "MtPrev", "CredOuv", "MtReal", "MtRAR3112")

YEARS_BEHIND, YEARS_AHEAD = 5, 1
"""Exercices that a decision may be about, counted from its own year: a late account, the budget of the next year."""

Section = Literal["fonctionnement", "investissement", "inconnue"]
Sense = Literal["recettes", "depenses", "inconnu"]


class BudgetUnreadable(Exception):
    """The file is no DocumentBudgetaire that can be read; `reason` is for the log and the report."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class NotBudget(BudgetUnreadable):
    """It is XML, of something else."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The attributes of Scellement, as written."""

    md5: str
    sha1: str
    date: str


@dataclass(slots=True)
class Total:
    """What the lines of one section and one sense add up to."""

    lines: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    """By the names of AMOUNTS; one that no line bears is absent."""


@dataclass(slots=True)
class Budget:
    """What one reading found. `values` holds the V of the headers by their name: IdColl, Exer, NatDec …"""

    values: dict[str, str] = field(default_factory=dict)
    schema: str = ""
    tools: list[tuple[str, str]] = field(default_factory=list)
    seal: Seal | None = None
    sealed_as: Literal["written", "indented"] | None = None
    """Which form of the file gives the digests of the seal; None when neither does."""
    lines: int = 0
    total_lines: int = 0
    """Lines that only repeat sums of others."""
    unread_amounts: int = 0
    totals: dict[tuple[Section, Sense], Total] = field(default_factory=dict)

    @property
    def siren(self) -> str:
        """The SIREN that the file is of: IdColl, else IdEtab, which the schema both leaves optional; may be empty."""
        return (self.values.get("IdColl") or self.values.get("IdEtab") or "")[:9]


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """The act that carries the file."""

    siren: str
    nature_code: int | None
    classif: tuple[int, ...]
    decision_date: date | None


_SECTION_BY_CLASS: Mapping[str, Section] = {
    "1": "investissement",
    "2": "investissement",
    "3": "investissement",
    "6": "fonctionnement",
    "7": "fonctionnement",
}
_SECTION_BY_PREFIX: Mapping[str, Section] = {
    # results brought forward, transfers between sections, unforeseen expenses, sales of assets: no account of the plan
    "001": "investissement",
    "002": "fonctionnement",
    "010": "investissement",
    "018": "investissement",
    "020": "investissement",
    "021": "investissement",
    "022": "fonctionnement",
    "023": "fonctionnement",
    "024": "investissement",
    # operations for third parties, charges spread over years, provisions on third parties and on cash
    "45": "investissement",
    "481": "investissement",
    "49": "investissement",
    "59": "investissement",
}
_NORMS = re.compile(r"M(14|4|4[1-9]|52|57|61|71|83[12])")


def section_of(nomenclature: str, account: str) -> Section:
    """The section of an account by nature: its class (1-3 investissement, 6-7 fonctionnement), or what it stands for.

    Only for the instructions whose budgets are cut so: an EPRD (M21, M22) has other sections, and is left unknown.
    """
    if not _NORMS.fullmatch(nomenclature.partition("-")[0].strip()):
        return "inconnue"
    for length in (3, 2):
        if found := _SECTION_BY_PREFIX.get(account[:length]):
            return found
    return _SECTION_BY_CLASS.get(account[:1], "inconnue")


def check_carrier(facts: BudgetFacts) -> None:
    """XML is for budgets: nature 5, matière 7.1. Raises Refused with the workflow's text."""
    if facts.nature_code != NATURE or facts.classif[:2] != MATIERE:
        raise _refused(
            "BUDGET_NATURE",
            "Seuls les budgets sont transmis au format XML : nature 5 (documents budgétaires et financiers) et matière "
            "7.1. La collectivité doit déposer l'acte avec cette nature et cette matière, ou en PDF.",
        )


def annexe_not_pdf(name: str) -> Refused:
    """What is said of an annexe of another type than PDF beside a budget in XML."""
    return _refused(
        "BUDGET_ANNEXES",
        f"Les pièces jointes doivent être au format PDF avec un acte au format XML : {name} ne l'est pas. "
        "La collectivité doit convertir cette pièce en PDF, puis déposer l'acte à nouveau.",
    )


def unreadable(name: str) -> Refused:
    """What is said of an XML act that is no DocumentBudgetaire, or is damaged."""
    return _refused(
        "BUDGET_ILLISIBLE",
        f"Le fichier {name} n'est pas un document budgétaire lisible. La collectivité doit déposer le fichier XML que "
        "TotEM a produit en scellant le budget, sans le modifier.",
    )


def check_budget(name: str, budget: Budget, facts: BudgetFacts) -> None:
    """Judge a budget that was read. Raises Refused with the workflow's text: cause, who must act, remedy."""
    _check_seal(name, budget)
    if budget.siren and budget.siren != facts.siren:
        raise _refused(
            "BUDGET_ETRANGER",
            f"Le budget {name} est celui du SIREN {budget.siren[:9]}, et l'acte est transmis par {facts.siren}. "
            "La collectivité doit vérifier le fichier choisi, ou le déposer depuis le compte de l'établissement.",
        )
    if (decision := budget.values.get("NatDec", "")) not in DECISIONS:
        raise _refused(
            "BUDGET_DECISION",
            f"La nature de décision du budget {name} est inconnue (NatDec {decision[:10] or 'absent'}). "
            "La collectivité doit la corriger dans son logiciel financier, puis sceller le budget à nouveau.",
        )
    exercice = budget.values.get("Exer", "")
    if not _plausible(exercice, facts.decision_date):
        raise _refused(
            "BUDGET_EXERCICE",
            f"L'exercice du budget {name} ({exercice[:10] or 'absent'}) ne va pas avec la date de la décision. "
            "La collectivité doit vérifier le fichier choisi et la date de l'acte.",
        )


def _check_seal(name: str, budget: Budget) -> None:
    if budget.seal is None:
        raise _refused(
            "BUDGET_NON_SCELLE",
            f"Le budget {name} n'est pas scellé. La collectivité doit le sceller dans TotEM, "
            "puis déposer le fichier scellé sans le modifier.",
        )
    if budget.sealed_as is None:
        raise _refused(
            "BUDGET_ALTERE",
            f"Le budget {name} a été modifié après son scellement : son empreinte n'est plus la sienne. "
            "La collectivité doit le sceller à nouveau dans TotEM, puis déposer ce fichier sans l'ouvrir ailleurs.",
        )


def _plausible(exercice: str, decided: date | None) -> bool:
    if not re.fullmatch("[0-9]{4}", exercice):
        return False
    return decided is None or decided.year - YEARS_BEHIND <= int(exercice) <= decided.year + YEARS_AHEAD


def _refused(code: str, reason: str) -> Refused:
    return Refused(INVALID_ENVELOPE + reason, code=code)


def summary(budget: Budget) -> dict[str, object]:
    """What is kept of a budget and shown to people, as JSON; amounts are texts, exact to the cent."""
    values, decision = budget.values, budget.values.get("NatDec", "")
    seal = budget.seal
    return {
        "collectivite": values.get("LibelleColl", ""),
        "siren": budget.siren,
        "siret": values.get("IdColl", ""),
        "etablissement": values.get("LibelleEtab", ""),
        "code_budget": values.get("CodBud", ""),
        "budget_annexe": {"P": False, "A": True}.get(values.get("CodTypBud", "")),
        "nomenclature": values.get("Nomenclature", ""),
        "exercice": values.get("Exer", ""),
        "nature_decision": {"code": decision, "label": DECISIONS.get(decision, "")},
        "numero_decision": values.get("NumDec", ""),
        "date_decision": values.get("DteDec", ""),
        "projet": values.get("ProjetBudget", "").lower() in ("true", "1"),
        "schema": budget.schema,
        "outils": [{"outil": tool, "version": version} for tool, version in budget.tools],
        "scellement": {"date": seal.date, "md5": seal.md5, "sha1": seal.sha1, "forme": budget.sealed_as}
        if seal
        else None,
        "lignes": budget.lines,
        "lignes_de_total": budget.total_lines,
        "montants_illisibles": budget.unread_amounts,
        "totaux": [
            {
                "section": section,
                "sens": sense,
                "lignes": total.lines,
                "montants": {name: format(amount, "f") for name, amount in total.amounts.items()},
            }
            for (section, sense), total in sorted(budget.totals.items())
        ],
    }
