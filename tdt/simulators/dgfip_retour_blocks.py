"""The blocks of a PES_Retour: what became of a pièce, of the debts of a client, of an avis des sommes à payer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

Tree = list[tuple[str, "str | Tree"]]
CODES = {"R": "01", "P": "02", "S": "03"}
STOCK, FLOW = "1", "2"
STATES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "depense": {
        "01": ("DtePceInst", "16"),
        "02": ("DtePcePec", "08"),
        "04": ("DtePceRej", "02"),
        "05": ("DtePcePec", "08"),
    },
    "recette": {
        "01": ("DtePceInst", "03"),
        "02": ("DtePcePec", "05"),
        "03": ("DtePcePec", "04"),
        "04": ("DtePceRej", "01"),
        "05": ("DtePcePec", "02"),
    },
}
"""By the state of a pièce: its date, and the state of its line."""
REJECTED, WAITING, PAID = "04", "01", "05"
REASONS = {"depense": "03", "recette": "03"}
"""ObsEtat of a reject."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a block tells. `sent`: exercise, number, kind, piece and line of a bordereau that was received."""

    siret: str
    restitution: str
    state: str
    orders: bool
    moment: datetime
    sent: Mapping[str, str]

    @property
    def day(self) -> str:
        return f"{self.moment - timedelta(days=1):%Y-%m-%d}"

    def bordereau(self) -> tuple[str, Tree]:
        numbers = [
            ("Exer", self.sent.get("exercise") or f"{self.moment:%Y}"),
            ("IdBord", self.sent.get("number") or "1"),
        ]
        return "BlocBordereau", [*numbers, ("TypBord", self.sent.get("kind") or "01")]

    def state_of(self, usual: str) -> str:
        return self.state or (REJECTED if self.restitution == "R" else usual)

    def piece(self, kind: str, state: str) -> Tree:
        """Number, state, reason and date of a pièce, in the order of the schema."""
        date = STATES[kind][state][0]
        piece: Tree = [("IdPce", self.sent.get("piece") or "1"), ("TypPce", "01"), ("NatPce", "01")]
        piece += [(date, self.day)] if date == "DtePcePec" else []
        piece.append(("EtatPce", state))
        if state == REJECTED:
            piece += [("ObsEtat", REASONS[kind]), ("Commentaire", "Rejet de simulation")]
        return piece + ([(date, self.day)] if date != "DtePcePec" else [])

    def line(self, kind: str, state: str, amounts: Tree) -> tuple[str, Tree]:
        line: Tree = [("IdLigne", self.sent.get("line") or "1"), ("EtatLigPce", STATES[kind][state][1])]
        line += [("ObsEtat", REASONS[kind])] if state == REJECTED else []
        return "InfoLignePiece", line + amounts


def expense(said: Said) -> tuple[str, Tree]:
    state = said.state_of(PAID)
    line: Tree = [said.line("depense", state, [("MtHT", "100.00"), ("MtTVA", "20.00")])]
    after: Tree = []
    if state == PAID:
        line.append(("InfoPaiement", [("NbrPay", "1"), ("MtPayTot", "120.00")]))
        after.append(("PaiementEmargement", [("OrgEma", "01"), ("DtePay", said.day), ("MtPay", "120.00")]))
    lines: Tree = [("BlocLignePiece", line), *after]
    piece: Tree = [("InfoPiece", said.piece("depense", state)), ("LigneDePiece", lines)]
    return "PES_DepenseRetour", [_heading("EnTeteDepense", said), ("Bordereau", [said.bordereau(), ("Piece", piece)])]


def revenue(said: Said) -> tuple[str, Tree]:
    heading = _heading("EnTeteRecette", said)
    if said.orders:
        return "PES_RecetteRetour", [heading, ("Bordereau", [_orders(said)])]
    state = said.state_of("02")
    line: Tree = [said.line("recette", state, [("MtHT", "50.00")])]
    after: Tree = []
    if state == "02":
        line.append(("InfoRecouvrement", [("NbrReco", "1"), ("MtRecoTot", "50.00")]))
        after.append(("EncaissementEmargement", [("OrgEma", "02"), ("DteReco", said.day), ("MtReco", "50.00")]))
    lines: Tree = [("BlocLignePiece", line), *after]
    piece: Tree = [("BlocPiece", said.piece("recette", state)), ("LigneDePiece", lines)]
    return "PES_RecetteRetour", [heading, ("Bordereau", [said.bordereau(), ("Piece", piece)])]


def _orders(said: Said) -> tuple[str, Tree]:
    """A rôle as a whole."""
    _, numbers = said.bordereau()
    date = {REJECTED: "DteRej", WAITING: "DteInst"}.get(said.state_of("02"), "DtePec")
    return "BordereauORMCGlobal", [*numbers[:2], ("MtTTC", "50.00"), (date, said.day)]


def client(said: Said) -> tuple[str, Tree]:
    debt: Tree = [("CodProdLoc", "0001"), ("Rar", "50.00"), ("RarFrais", "0.00")]
    heading: Tree = [("DateCalcul", said.day), ("IdVer", "2")]
    debtor: Tree = [("RefTiers", "TIERS1"), ("ResteARecouvrer", debt)]
    return "PES_ClientRetour", [("EnTeteClient", heading), ("Client", debtor)]


def invoice(said: Said) -> tuple[str, Tree]:
    _, numbers = said.bordereau()
    end: tuple[str, Tree] = ("Postalisation", [("DatePostalisation", said.day)])
    if said.restitution == "R":
        end = ("Rejet", [("DateRejet", said.day), ("MotifRejetPostalisation", "02")])
    piece: Tree = [("IdPce", said.sent.get("piece") or "1"), ("TypPce", "01")]
    told: Tree = [("IdUniquePJASAP", f"{said.siret}ASAP0001"), *numbers, *piece, end]
    return "PES_AsapRetour", [("EnTeteAsap", [("IdVer", "2")]), ("Asap", told)]


def _heading(name: str, said: Said) -> tuple[str, Tree]:
    nature = STOCK if said.restitution == "S" else FLOW
    return name, [("TypRestit", CODES[said.restitution]), ("IdVer", "2"), ("NatInf", nature)]


BLOCKS: Mapping[str, Callable[[Said], tuple[str, Tree]]] = {
    "depense": expense,
    "recette": revenue,
    "client": client,
    "asap": invoice,
}
