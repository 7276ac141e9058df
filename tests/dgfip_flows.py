"""PES flows written for the tests of the DGFiP simulator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ALLER = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller"


@dataclass(frozen=True, slots=True)
class Slip:
    """A bordereau; `extra` goes into its BlocBordereau, `line` into its one line."""

    number: str = "12"
    expense: bool = True
    year: str = "2026"
    kind: str = "01"
    extra: str = ""
    line: str = ""
    address: str = ""


def envelope(name: str = "FLUX-ESSAI-1", header: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        f'<n:PES_Aller xmlns:n="{ALLER}"><Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR1"/>'
        f'<NomFic V="{name}"/></Parametres><Emetteur><Sigle V="Éditeur"/><Adresse V="Essais 1.0"/></Emetteur>'
        "</Enveloppe>"
        '<EnTetePES><DteStr V="2026-01-15"/><IdPost V="034001"/><IdColl V="12345678200010"/><CodCol V="012"/>'
        f'<CodBud V="00"/>{header}</EnTetePES>'
    )


def slip(one: Slip) -> str:
    block = (
        f'<BlocBordereau><Exer V="{one.year}"/><IdBord V="{one.number}"/><DteBordEm V="2026-01-15"/>'
        f'<TypBord V="{one.kind}"/><NbrPce V="1"/>'
    )
    if one.expense:
        return (
            f'<Bordereau>{block}<MtBordHT V="10.00"/>{one.extra}</BlocBordereau><Piece><BlocPiece><InfoPce>'
            '<IdPce V="345"/><TypPce V="01"/><NatPce V="01"/></InfoPce></BlocPiece><LigneDePiece><BlocLignePiece>'
            f'<InfoLignePce><IdLigne V="7"/><Nature V="6068"/>{one.line or DEFAULT_LINE}<MtHT V="10.00"/>'
            f"</InfoLignePce></BlocLignePiece>{one.address}</LigneDePiece></Piece></Bordereau>"
        )
    return (
        f'<Bordereau>{block}<MtBordHt V="10.00"/>{one.extra}</BlocBordereau><Piece><BlocPiece><IdPce V="88"/>'
        '<TypPce V="01"/><NatPce V="01"/><ObjPce V="x"/></BlocPiece><LigneDePiece><BlocLignePiece><InfoLignePiece>'
        f'<IdLigne V="1"/>{one.line}</InfoLignePiece></BlocLignePiece></LigneDePiece></Piece></Bordereau>'
    )


DEFAULT_LINE = '<TVAIntraCom V="0"/>'


def blocks(slips: Sequence[Slip], paperless: str = "0") -> str:
    expense = "".join(slip(one) for one in slips if one.expense)
    revenue = "".join(slip(one) for one in slips if not one.expense)
    head = f'<IdVer V="2"/><InfoDematerialisee V="{paperless}"/>'
    text = ""
    if expense:
        text += f"<PES_DepenseAller><EnTeteDepense>{head}</EnTeteDepense>{expense}</PES_DepenseAller>"
    if revenue:
        text += f"<PES_RecetteAller><EnTeteRecette>{head}</EnTeteRecette>{revenue}</PES_RecetteAller>"
    return text


def attachment(unique: str, content: str = "H4sIAAAA", name: str = "facture.pdf", kind: str = "003") -> str:
    return (
        f'<PJ><Contenu><Fichier MIMEType="application/pdf">{content}</Fichier></Contenu><IdUnique V="{unique}"/>'
        f'<NomPJ V="{name}"/><TypePJ V="{kind}"/><Description V="Pièce"/></PJ>'
    )


def attachments(*items: str, version: str = "1") -> str:
    return f'<PES_PJ><EnTetePES_PJ><IdVer V="{version}"/></EnTetePES_PJ>{"".join(items)}</PES_PJ>'


def flow(*content: str, name: str = "FLUX-ESSAI-1", header: str = "") -> bytes:
    return (envelope(name, header) + "".join(content) + "</n:PES_Aller>").encode("latin-1", "xmlcharrefreplace")


def sample(name: str = "FLUX-ESSAI-1", number: str = "12", unique: str = "12345678200010ESSAI1") -> bytes:
    """A flow that the official schema accepts: one dépense and its PJ."""
    return flow(blocks([Slip(number=number)]), attachments(attachment(unique)), name=name)


def large_flow(size: int, count: int, name: str = "GROS-FLUX") -> Iterator[bytes]:
    """Chunks of a flow of about this size, made of this number of PJ."""
    yield (envelope(name) + blocks([Slip()])).encode("latin-1")
    yield b'<PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>'
    block = b"QUJD" * 16384
    for number in range(count):
        head, tail = attachment(f"GROS{number}", content="|").encode("latin-1").split(b"|")
        yield head
        left = size // count
        while left > 0:
            yield block[: min(len(block), left - left % 4 or 4)]
            left -= len(block)
        yield tail
    yield b"</PES_PJ></n:PES_Aller>"
