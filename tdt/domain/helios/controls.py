"""The rules of the Guichet XML that need no data of Hélios: what an annotation of the schemas says is refused.

One pass, as the flow is read (`scan`). `control_words` says each rule; `controls_lines` and `controls_files` judge what
is below a bordereau.
"""

from collections.abc import Mapping

from tdt.domain.helios.controls_files import FILES
from tdt.domain.helios.controls_lines import LINES, amount
from tdt.domain.helios.controls_state import Block, Judge, Spot, Told
from tdt.domain.helios.findings import Where
from tdt.domain.helios.numbers import number_of
from tdt.domain.helios.scan import EXPENSE, REVENUE, Group, Scan

TRUE = ("1", "true")
ORMC = "06"
ASAP = ("09", "10")


def key_of(side: str, exercice: str, kind: str, number: str) -> str:
    """What makes a bordereau unique in a budget; empty when a number is none. `side`: dépense or recette."""
    numbers = (number_of(exercice), number_of(number))
    return f"{side}/{numbers[0]}/{kind}/{numbers[1]}" if None not in numbers else ""


class Controls(Told):
    """Follows a Scan."""

    def begin(self, group: Group, scan: Scan) -> None:
        """A bordereau, a ligne, a PJ: a new page."""
        state = self.state
        match group.name:
            case "PES_DepenseAller" | "PES_RecetteAller":
                state.blocks.append(Block(scan.block))
            case "Bordereau":
                state.slip, state.taxed = None, False
            case "LigneDePiece":
                state.account_line, state.payment = 0, None
            case "CpteBancaire":
                state.account_line = group.line
            case "PJ":
                state.has_content = False
                state.references.clear()

    def end(self, group: Group, scan: Scan) -> None:
        """Judge what is complete."""
        if (judge := JUDGES.get(group.name)) is not None:
            judge(self, group, scan.block)

    def mark(self, name: str, value: str, scan: Scan) -> None:
        """What is judged, or noted, alone."""
        spot = Spot(scan.line, scan.last(), scan.where)
        match name:
            case "Signature":
                self._mark_signature(scan, spot)
            case "Id":
                if not self.is_new("Id", value):
                    self.tell("GUICHET_ID_DOUBLE", spot, value)
            case "CodCol":
                if scan.path[1:] == ["EnTetePES", "CodCol"] and value == "000":
                    self.tell("GUICHET_CODCOL_ZERO", spot, value)
            case "IdVer":
                if scan.path[1:] == ["PES_Facture", "IdVer"] and not is_two(value):
                    self.tell("GUICHET_VERSION", spot, value)
            case "TypeFact":
                self.state.asap = value in ASAP
            case "BIC" | "IBAN":
                if value != value.upper():
                    self.tell("GUICHET_COMPTE_MINUSCULES", spot, value)
            case "Fichier":
                self.state.has_content = True

    def close(self) -> None:
        """What only the end of the flow tells: is it signed, as it says?"""
        for block in self.state.blocks:
            if block.paperless is not None and not (block.signed or self.state.root_signed):
                self.tell("GUICHET_SIGNATURE_ABSENTE", block.paperless, "1")

    def _mark_signature(self, scan: Scan, spot: Spot) -> None:
        if len(scan.path) == 2:
            self.state.root_signed = True
        elif scan.path[2] == "Bordereau" and self.state.blocks:
            block = self.state.blocks[-1]
            if block.paperless is None and not block.signed:
                self.tell("GUICHET_SIGNATURE_EN_TROP", spot)
            block.signed = True


def is_two(value: str) -> bool:
    """The only version of the domains."""
    return value.strip().lstrip("0") == "2"


def _judge_header(told: Told, group: Group, block: str) -> None:
    if not is_two(group.get("IdVer")):
        told.tell_value("GUICHET_VERSION", group, "IdVer")
    if group.get("InfoDematerialisee") in TRUE and told.state.blocks:
        line = group.line_of("InfoDematerialisee")
        told.state.blocks[-1].paperless = Spot(line, f"{group.path}/InfoDematerialisee", Where(block=block))


def _judge_slip_head(told: Told, group: Group, block: str) -> None:
    told.state.slip = group
    if "NbrPce" in group.values and amount(group.get("NbrPce")) < 1:
        told.tell_value("GUICHET_NBRPCE", group, "NbrPce")
    if block == REVENUE and "MtBordHt" in group.values and amount(group.get("MtBordHt")) <= 0:
        told.tell_value("GUICHET_MONTANT_BORDEREAU", group, "MtBordHt")
    if group.get("TypBord") == "04":
        told.tell_value("GUICHET_TYPBORD", group, "TypBord")
    if not told.is_new("bordereau", block, group.get("Exer"), group.get("TypBord"), group.get("IdBord")):
        told.tell_value("GUICHET_BORDEREAU_DOUBLE", group, "IdBord")
    known = told.sent.get(key_of(block, group.get("Exer"), group.get("TypBord"), group.get("IdBord")))
    if known:
        told.tell_value("GUICHET_BORDEREAU_CONNU", group, "IdBord", what=known)
    paperless = bool(told.state.blocks) and told.state.blocks[-1].paperless is not None
    if paperless and (block == EXPENSE or group.get("TypBord") != ORMC) and amount(group.get("MtCumulAnnuel")) <= 0:
        told.tell_value("GUICHET_CUMUL", group, "MtCumulAnnuel")


def _judge_slip(told: Told, _group: Group, block: str) -> None:
    """VAT of the bordereau and of its lines: neither goes without the other."""
    slip, taxed = told.state.slip, told.state.taxed
    if slip is None:
        return
    tax = amount(slip.get("MtBordTVA"))
    if tax > 0 and not taxed:
        told.tell_value("GUICHET_TVA_SANS_LIGNE", slip, "MtBordTVA")
    elif block == EXPENSE and taxed and tax <= 0:
        told.tell_value("GUICHET_TVA_SANS_BORDEREAU", slip, "MtBordTVA")
    elif block == REVENUE and "MtBordTVA" in slip.values and tax <= 0:
        told.tell_value("GUICHET_TVA_NULLE", slip, "MtBordTVA")


JUDGES: Mapping[str, Judge] = {
    "EnTeteDepense": _judge_header,
    "EnTeteRecette": _judge_header,
    "EnTeteMarche": _judge_header,
    "BlocBordereau": _judge_slip_head,
    "Bordereau": _judge_slip,
    **LINES,
    **FILES,
}
