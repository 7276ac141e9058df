"""Controls of pièces, lignes, tiers and accounts."""

import re
from collections.abc import Mapping

from tdt.domain.helios.bank_keys import FRENCH, is_iban, is_rib
from tdt.domain.helios.controls_state import Judge, Told
from tdt.domain.helios.scan import EXPENSE, REVENUE, Group
from tdt.domain.siren import is_siren, is_siret

FALSE = ("", "0", "false")
FRANCE = "100"
PERSON = "01"
PAYMENTS = tuple(f"{number:02d}" for number in range(1, 12))
TO_AN_ACCOUNT = ("03", "05")
WITHOUT_ACCOUNT = ("01", "02", "04", "07", "08", "09", "11")
RIB = ("CodeEtab", "CodeGuic", "IdCpte", "CleRib")
OF_DGFIP = ("08", "13")
"""Types of pièce of a recette that only come back."""
NUMBER = re.compile(r"[+-]?[0-9]{1,14}(\.[0-9]{0,9})?")


def amount(text: str) -> float:
    """The value of an amount; 0 when it is absent or is none."""
    return float(text) if NUMBER.fullmatch(text) else 0.0


def _judge_piece(told: Told, group: Group, block: str) -> None:
    if block != REVENUE or group.name != "BlocPiece":
        return
    kind = told.state.slip.get("TypBord") if told.state.slip is not None else ""
    if "IdPce" in group.values and amount(group.get("IdPce")) <= 0:
        told.tell_value("GUICHET_IDPCE", group, "IdPce")
    if group.get("TypPce") in OF_DGFIP:
        told.tell_value("GUICHET_TYPPCE", group, "TypPce")
    if "IdRol" in group.values and (kind, group.get("TypPce"), group.get("NatPce")) != (
        "01",
        "06",
        "01",
    ):
        told.tell_value("GUICHET_IDROL", group, "IdRol")


def _judge_reference(told: Told, group: Group, _block: str) -> None:
    missing = [name for name in ("Support", "IdUnique") if not group.get(name)]
    if missing:
        told.tell("GUICHET_PJREF", group, what=" ni d'".join(missing) if len(missing) == 2 else missing[0])


def _judge_line_values(told: Told, group: Group, block: str) -> None:
    told.state.payment = group
    told.state.taxed = told.state.taxed or amount(group.get("MtTVA")) > 0
    if block == REVENUE:
        if "MtHT" in group.values and amount(group.get("MtHT")) == 0:
            told.tell_value("GUICHET_MONTANT_NUL", group, "MtHT")
        _judge_increase(told, group)


def _judge_increase(told: Told, group: Group) -> None:
    increased = group.get("Majo") not in FALSE
    for name in ("DteMajo", "TxMajo"):
        if increased and not group.get(name):
            told.tell_value("GUICHET_MAJORATION", group, name, what="manque alors que la ligne est majorée (Majo = 1)")
        elif not increased and name in group.values:
            told.tell_value("GUICHET_MAJORATION", group, name, what="est donné alors que la ligne n'est pas majorée")


def _judge_line(told: Told, _group: Group, block: str) -> None:
    """How it is paid, once the tiers is read."""
    values, told.state.payment = told.state.payment, None
    if values is None or block != EXPENSE or not (mode := values.get("ModRegl")):
        return
    if mode not in PAYMENTS:
        told.tell_value("GUICHET_MODREGL", values, "ModRegl")
    elif mode in TO_AN_ACCOUNT and not told.state.account_line:
        told.tell_value("GUICHET_COMPTE_ABSENT", values, "ModRegl")
    elif mode in WITHOUT_ACCOUNT and told.state.account_line:
        told.tell_value("GUICHET_COMPTE_EN_TROP", values, "ModRegl")


def _judge_old_creditor(told: Told, group: Group, _block: str) -> None:
    value = group.get("AncienICS")
    if "AncienICS" in group.values and not re.fullmatch("[0-9]{6}|[0-9A-Za-z]{13}", value):
        told.tell_value("GUICHET_ICS", group, "AncienICS")


def _judge_attachment_to_piece(told: Told, group: Group, block: str) -> None:
    kind, line = group.get("NatPceOrig"), group.get("IdLigneOrig")
    missing = [name for name in ("NatPceOrig", "ExerRat", "IdPceOrig") if not group.get(name)]
    with_line = ("01", "02", "05") if block == EXPENSE else ("01", "02")
    if missing:
        wanted = "NatPceOrig, ExerRat, IdPceOrig, et IdLigneOrig pour un mandat ou un titre"
        told.tell("GUICHET_RATTACHEMENT", group, what=f"n'a pas de {missing[0]}", wanted=wanted)
    elif block == REVENUE and kind == "04":
        told.tell_value("GUICHET_RATTACHEMENT", group, "NatPceOrig", what="est de nature 04", wanted="01, 02, 03 ou 05")
    elif kind in with_line and amount(line) < 1:
        what = "à un mandat ou à un titre n'a pas de numéro de ligne"
        told.tell_value("GUICHET_RATTACHEMENT", group, "IdLigneOrig", what=what, wanted="IdLigneOrig, 1 ou plus")
    elif kind not in with_line and amount(line) > 0:
        what = f"de nature {kind} a un numéro de ligne"
        told.tell_value("GUICHET_RATTACHEMENT", group, "IdLigneOrig", what=what, wanted="pas d'IdLigneOrig, ou 0")


# ---------------------------------------------------------------------------------------------- the tiers


def _judge_party(told: Told, group: Group, block: str) -> None:
    if block not in (EXPENSE, REVENUE):
        return
    category = group.get("CatTiers")
    for name in ("Civilite", "Prenom"):
        if category == PERSON and not group.get(name):
            what = "manque : le tiers est une personne physique (CatTiers = 01)"
            told.tell_value("GUICHET_CIVILITE", group, name, what=what, wanted=name)
        elif block == EXPENSE and category not in ("", PERSON) and name in group.values:
            what = f"est donné pour un tiers qui n'est pas une personne physique (CatTiers = {category})"
            told.tell_value("GUICHET_CIVILITE", group, name, what=what, wanted=f"pas de {name}")
    for name in ("DteNaissance", "LieuNaissance"):
        if category not in ("", PERSON) and name in group.values:
            told.tell_value("GUICHET_NAISSANCE", group, name)
    _judge_identifier(told, group)


def _judge_identifier(told: Told, group: Group) -> None:
    kind, number = group.get("NatIdTiers"), group.get("IdTiers")
    what = wanted = ""
    if bool(kind) != bool(number):
        what = "n'a pas de nature (NatIdTiers)" if number else "manque, sa nature est donnée (NatIdTiers)"
        wanted = "IdTiers et NatIdTiers ensemble"
    elif kind == "01" and not is_siret(number):
        what, wanted = "n'est pas un SIRET : longueur ou clé", "les 14 chiffres d'un SIRET"
    elif kind == "02" and not is_siren(number):
        what, wanted = "n'est pas un SIREN : longueur ou clé", "les 9 chiffres d'un SIREN"
    if what:
        told.tell_value("GUICHET_TIERS_IDENTIFIANT", group, "IdTiers", what=what, wanted=wanted)


def _judge_address(told: Told, group: Group, block: str) -> None:
    if block not in (EXPENSE, REVENUE):
        return
    resident, country = group.get("CodRes") in FALSE, group.get("CodPays")
    if not re.fullmatch("[0-9]{5}", group.get("CP")):
        told.tell_value("GUICHET_CODE_POSTAL", group, "CP")
    if resident and country and country.lstrip("0") != FRANCE:
        told.tell_value(
            "GUICHET_PAYS", group, "CodPays", what=f"Un pays ({country}) est donné pour un résident en France"
        )
    elif not resident and not country:
        told.tell_value("GUICHET_PAYS", group, "CodPays", what="Le pays d'un non-résident (CodPays) manque")


def _judge_account(told: Told, group: Group, _block: str) -> None:
    _judge_rib(told, group)
    iban = group.get("IBAN")
    if not iban or iban != iban.upper():
        return
    if not is_iban(iban):
        told.tell_value("GUICHET_IBAN", group, "IBAN")
    elif iban[:2] not in FRENCH and not group.get("BIC"):
        told.tell_value("GUICHET_BIC_ABSENT", group, "IBAN")


def _judge_rib(told: Told, group: Group) -> None:
    pair = [name for name in ("IdPayInt", "IdBancInt") if group.get(name)]
    if len(pair) == 1:
        told.tell("GUICHET_IBAN_INCOMPLET", group, what=pair[0])
    given = [name for name in RIB if group.get(name)]
    if not given:
        return
    if len(given) < len(RIB):
        told.tell("GUICHET_RIB_INCOMPLET", group, what=", ".join(name for name in RIB if name not in given))
    elif not is_rib(*(group.get(name) for name in RIB)):
        told.tell_value("GUICHET_RIB", group, "CleRib")


LINES: Mapping[str, Judge] = {
    "BlocPiece": _judge_piece,
    "InfoPce": _judge_piece,
    "PJRef": _judge_reference,
    "InfoLignePce": _judge_line_values,
    "InfoLignePiece": _judge_line_values,
    "InfoPrelevementSEPA": _judge_old_creditor,
    "RattachPiece": _judge_attachment_to_piece,
    "LigneDePiece": _judge_line,
    "InfoTiers": _judge_party,
    "Adresse": _judge_address,
    "CpteBancaire": _judge_account,
    "CptBancaire": _judge_account,
}
