"""Controls of the PJ, and of invoices (avis des sommes à payer)."""

import re
from collections.abc import Mapping

from tdt.domain.helios.controls_state import Judge, Told
from tdt.domain.helios.scan import Group

COMPTE_FINANCIER = ("012", "013")
FILE_NAME = re.compile(r".+\.[A-Za-z0-9]{2,4}")
TYPES_OF_DOMAIN = {
    "01": ("003", "004", "005", "006"),
    "02": ("002", "006", "007", "008", "010", "011"),
    "04": ("001", *COMPTE_FINANCIER),
    "06": ("009",),
}
"""TypePJ that go with each Domaine of a RefCompta."""
OLDEST_TYPES = frozenset(f"{number:03d}" for number in range(1, 14))
"""Those that this table knows: a newer one is not judged."""


def _judge_version(told: Told, group: Group, _block: str) -> None:
    if group.get("IdVer").strip() != "1":
        told.tell_value("GUICHET_PJ_VERSION", group, "IdVer")


def _judge_file(told: Told, group: Group, _block: str) -> None:
    if group.path.count("/") != 2:
        return
    state, kind = told.state, group.get("TypePJ")
    if not FILE_NAME.fullmatch(group.get("NomPJ")):
        told.tell_value("GUICHET_PJ_NOM", group, "NomPJ")
    if not state.has_content:
        told.tell_value("GUICHET_PJ_VIDE", group, "Contenu")
    if not told.is_new("pj", group.get("IdUnique")) and group.get("IdUnique"):
        told.tell_value("GUICHET_PJ_DOUBLE", group, "IdUnique")
    if kind in COMPTE_FINANCIER and not state.references:
        what = f"manque : elle est obligatoire pour une PJ de type {kind}"
        told.tell_value("GUICHET_PJ_REFCOMPTA", group, "RefCompta", what=what, wanted="RefCompta")
    for reference in state.references:
        _judge_reference(told, reference, kind)


def _judge_reference(told: Told, group: Group, kind: str) -> None:
    for name in ("Domaine", "Exercice", "TypeObjet", "Identifiant"):
        if not group.get(name):
            told.tell_value("GUICHET_PJ_REFCOMPTA", group, name, what=f"n'a pas de {name}", wanted=name)
    domain = group.get("Domaine")
    if domain and domain not in TYPES_OF_DOMAIN:
        what, wanted = f"est d'un domaine inconnu ({domain})", ", ".join(TYPES_OF_DOMAIN)
        told.tell_value("GUICHET_PJ_REFCOMPTA", group, "Domaine", what=what, wanted=wanted)
    elif kind in OLDEST_TYPES and domain and kind not in TYPES_OF_DOMAIN[domain]:
        what = f"de domaine {domain} ne va pas avec une PJ de type {kind}"
        wanted = f"un type {', '.join(TYPES_OF_DOMAIN[domain])}"
        told.tell_value("GUICHET_PJ_REFCOMPTA", group, "Domaine", what=what, wanted=wanted)


def _keep_reference(told: Told, group: Group, _block: str) -> None:
    if len(told.state.references) < MOST_REFERENCES:
        told.state.references.append(group)


MOST_REFERENCES = 1000
"""Judged of one PJ, whose type is known before or after them."""


# ---------------------------------------------------------------------------------------------- invoices


def _judge_sender(told: Told, group: Group, block: str) -> None:
    if block == "facture" and told.state.asap:
        for name in ("Adresse", "Signataire"):
            if name not in group.values:
                told.tell_value("GUICHET_FACTURE_EMETTEUR", group, name)


def _judge_invoice(told: Told, group: Group, _block: str) -> None:
    for name in ("RefTitre", "TalonOptique2Lignes"):
        if told.state.asap and name not in group.values:
            told.tell_value("GUICHET_FACTURE_INCOMPLETE", group, name)


def _judge_title(told: Told, group: Group, _block: str) -> None:
    if not told.is_new("titre", group.get("Exercice"), group.get("NumTitre")):
        told.tell_value("GUICHET_FACTURE_TITRE_DOUBLE", group, "NumTitre")


FILES: Mapping[str, Judge] = {
    "EnTetePES_PJ": _judge_version,
    "PJ": _judge_file,
    "RefCompta": _keep_reference,
    "Emetteur": _judge_sender,
    "FactureIndiv": _judge_invoice,
    "RefTitre": _judge_title,
}
