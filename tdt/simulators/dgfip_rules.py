"""Boîte 5: the rules of the schemas' annotations that need no Hélios data, checked as a flow is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tdt.simulators.dgfip_acquit import Fault
from tdt.simulators.dgfip_reader import BORDEREAU_BLOCKS

FALSE = ("", "0", "false")
ORMC = "06"
PAYMENTS = {f"{number:02d}" for number in range(1, 12)}
PAYMENTS_TO_ACCOUNT = ("03", "05")
PERSON = "01"
COMPTE_FINANCIER = ("012", "013")
FILE_NAME = re.compile(r".+\.[A-Za-z0-9]{2,4}")


@dataclass(slots=True)
class Found:
    """Faults of the whole flow; of each bordereau and of each PJ, in the order of the file."""

    flow: list[Fault] = field(default_factory=list)
    bordereaux: list[list[Fault]] = field(default_factory=list)
    attachments: list[list[Fault]] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """PES_DepenseAller or PES_RecetteAller."""

    expense: bool
    paperless: bool = False
    signed: bool = False


@dataclass(slots=True)
class _Bordereau:
    values: dict[str, str] = field(default_factory=dict)
    piece: str = ""
    line: str = ""
    line_tax: bool = False


class Rules:
    """An observer of the reading; `close()` gives the faults."""

    def __init__(self) -> None:
        self._found = Found()
        self._blocks: list[_Block] = []
        self._bordereau = _Bordereau()
        self._fields: dict[str, str] = {}  # of the small group being read: line, Adresse, InfoTiers, PJRef, PJ
        self._line: dict[str, str] = {}
        self._has_account = False
        self._root_signed = False
        self._attachment_version = ""
        self._has_content = False

    def start(self, path: list[str], value: str) -> None:
        depth, name = len(path), path[-1]
        if depth == 1:
            return
        block = path[1]
        if depth == 2:
            if block in BORDEREAU_BLOCKS:
                self._blocks.append(_Block(expense=block == "PES_DepenseAller"))
            self._root_signed = self._root_signed or block == "Signature"
        elif name == "IdVer":
            self._version(block, value)
        elif block in BORDEREAU_BLOCKS:
            self._start_in_block(path, value)
        elif block == "PES_PJ":
            self._start_in_attachments(path, value)
        if name in ("BIC", "IBAN"):
            self._bank_code(name, value)

    def end(self, path: list[str]) -> None:
        if len(path) < 3:
            return
        if path[1] in BORDEREAU_BLOCKS and (check := ENDS.get(path[-1])):
            check(self)
        elif path[1] == "PES_PJ" and path[2:] == ["PJ"]:
            self._end_attachment()

    def text(self, path: list[str], data: str) -> None:
        if path[-1] == "Fichier" and not self._has_content:
            self._has_content = not data.isspace()

    def close(self) -> Found:
        """The faults, once the whole flow is read."""
        for block in self._blocks:
            if block.paperless and not (block.signed or self._root_signed):
                self._flow("ERREUR_PES_PARAM_SIGNATURE", "InfoDematerialisee vaut 1 sans signature")
            elif block.signed and not block.paperless:
                self._flow("ERREUR_PES_PARAM_SIGNATURE", "InfoDematerialisee vaut 0 avec une signature")
        return self._found

    # --- where a fault goes

    def _flow(self, code: str, label: str) -> None:
        fault = Fault(code, label)
        if fault not in self._found.flow:
            self._found.flow.append(fault)

    def _here(self, label: str, code: str = "ERREUR_AUTRE") -> None:
        """On the line being read, or on the piece, or on the bordereau."""
        if self._found.bordereaux:
            self._found.bordereaux[-1].append(Fault(code, label, self._bordereau.piece, self._bordereau.line))

    def _on_bordereau(self, label: str, code: str = "ERREUR_AUTRE") -> None:
        self._found.bordereaux[-1].append(Fault(code, label))

    # --- dépense and recette

    def _version(self, block: str, value: str) -> None:
        if block == "PES_PJ":
            self._attachment_version = value
        elif value != "2":
            self._flow("ERREUR_VERSION_PES", f"IdVer de {block} vaut {value} au lieu de 2")

    def _start_in_block(self, path: list[str], value: str) -> None:
        name, parent = path[-1], path[-2]
        if name == "InfoDematerialisee":
            self._blocks[-1].paperless = value not in FALSE
        elif name == "Signature":
            self._blocks[-1].signed = True
        elif name == "Bordereau":
            self._bordereau = _Bordereau()
            self._found.bordereaux.append([])
        elif parent == "BlocBordereau":
            self._bordereau.values[name] = value
            if name == "NbrPce" and _amount(value) < 1:
                self._flow("ERREUR_AUTRE", "NbrPce est inférieur à 1")
        elif name == "Piece":
            self._bordereau.piece = self._bordereau.line = ""
        elif name == "LigneDePiece":
            self._bordereau.line = ""
            self._line, self._has_account = {}, False
        elif name in ("PJRef", "InfoTiers", "Adresse"):
            self._fields = {}
        elif parent in ("PJRef", "InfoTiers", "Adresse"):
            self._fields[name] = value
        else:
            self._note(name, parent, value)

    def _note(self, name: str, parent: str, value: str) -> None:
        if name == "IdPce" and parent in ("InfoPce", "BlocPiece"):
            self._bordereau.piece = value
        elif name == "IdLigne" and parent in ("InfoLignePce", "InfoLignePiece"):
            self._bordereau.line = value
        elif name == "CpteBancaire":
            self._has_account = True
        elif parent in ("InfoLignePce", "InfoLignePiece"):
            self._line[name] = value

    def _bank_code(self, name: str, value: str) -> None:
        if value != value.upper():
            self._flow("ERREUR_AUTRE", f"{name} contient des minuscules")
        elif name == "IBAN" and not _valid_iban(value):
            self._here("IBAN invalide")

    def _end_line(self) -> None:
        payment = self._line.get("ModRegl", "")
        if self._blocks[-1].expense and payment:
            if payment not in PAYMENTS:
                self._flow("ERREUR_AUTRE", f"ModRegl vaut {payment}")
            elif payment in PAYMENTS_TO_ACCOUNT and not self._has_account:
                self._here(f"ModRegl {payment} sans compte bancaire")
        if _amount(self._line.get("MtTVA", "")) > 0:
            self._bordereau.line_tax = True

    def _end_reference(self) -> None:
        if not (self._fields.get("Support") and self._fields.get("IdUnique")):
            self._flow("ERREUR_PJ", "PJRef sans Support ou sans IdUnique")

    def _end_address(self) -> None:
        code, country = self._fields.get("CodRes", ""), self._fields.get("CodPays", "")
        if not re.fullmatch("[0-9]{5}", self._fields.get("CP", "")):
            self._here("Le code postal doit avoir 5 chiffres")
        if code in FALSE and country not in ("", "100"):
            self._here("CodPays renseigné pour un résident")
        elif code not in FALSE and not country:
            self._here("CodPays absent pour un non résident")

    def _end_party(self) -> None:
        person = self._fields.get("CatTiers") == PERSON
        for name in ("Civilite", "Prenom"):
            given = bool(self._fields.get(name))
            if person and not given:
                self._here(f"{name} est obligatoire pour une personne physique")
            elif given and not person and self._blocks[-1].expense:
                self._here(f"{name} est interdit pour ce tiers")

    def _end_bordereau(self) -> None:
        values, block = self._bordereau.values, self._blocks[-1]
        self._bordereau.piece = self._bordereau.line = ""
        if block.expense and values.get("TypBord") == "04":
            self._on_bordereau("TypBord 04 n'est pas accepté", "ERREUR_CODIFICATION")
        needs_total = block.paperless and (block.expense or values.get("TypBord") != ORMC)
        if needs_total and _amount(values.get("MtCumulAnnuel", "")) <= 0:
            self._on_bordereau("MtCumulAnnuel est absent ou nul", "ERREUR_CUMUL_MONTANTS")
        tax = _amount(values.get("MtBordTVA", ""))
        if tax > 0 and not self._bordereau.line_tax:
            self._on_bordereau("MtBordTVA sans ligne avec TVA", "ERREUR_MONTANT_TVA_ZERO_NEGATIF")
        elif block.expense and self._bordereau.line_tax and tax <= 0:
            self._on_bordereau("Ligne avec TVA sans MtBordTVA", "ERREUR_MONTANT_TVA_ZERO_NEGATIF")
        elif not block.expense and "MtBordTVA" in values and tax <= 0:
            self._on_bordereau("MtBordTVA vaut 0", "ERREUR_MONTANT_TVA_ZERO_NEGATIF")

    # --- PJ

    def _start_in_attachments(self, path: list[str], value: str) -> None:
        below = path[2:]
        if below == ["PJ"]:
            self._fields, self._has_content = {}, False
            self._found.attachments.append([])
        elif len(below) == 2 and below[0] == "PJ":
            self._fields[below[1]] = value

    def _end_attachment(self) -> None:
        faults = self._found.attachments[-1]
        if self._attachment_version != "1":
            faults.append(Fault("ERREUR_VERSION_PJ", "IdVer de PES_PJ doit valoir 1"))
        if not FILE_NAME.fullmatch(self._fields.get("NomPJ", "")):
            faults.append(Fault("ERREUR_PJ", "NomPJ sans extension de 2 à 4 caractères"))
        if not self._has_content:
            faults.append(Fault("ERREUR_PJ", "Fichier vide"))
        if self._fields.get("TypePJ") in COMPTE_FINANCIER and "RefCompta" not in self._fields:
            faults.append(Fault("ERREUR_PJ", "RefCompta est obligatoire pour ce type de PJ"))


ENDS: dict[str, Callable[[Rules], None]] = {
    "LigneDePiece": Rules._end_line,
    "PJRef": Rules._end_reference,
    "Adresse": Rules._end_address,
    "InfoTiers": Rules._end_party,
    "Bordereau": Rules._end_bordereau,
}


def _amount(text: str) -> float:
    """The value of an amount; 0 when absent or unreadable."""
    return float(text) if re.fullmatch(r"[+-]?[0-9]{1,14}(\.[0-9]*)?", text) else 0.0


def _valid_iban(value: str) -> bool:
    """ISO 13616: the number, country and key moved to the end and letters replaced, leaves 1 modulo 97."""
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", value):
        return False
    moved = value[4:] + value[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
