"""What the demonstration transmits: a délibération with its annexe (PDF), a PES_Aller with an invoice as PJ."""

import base64
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import quoteattr

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre"),
    *("octobre", "novembre", "décembre"),
)


@dataclass(frozen=True, slots=True)
class Payer:
    """The collectivité whose papers these are."""

    name: str
    siret: str


def deliberation(payer: Payer, number: str, day: date) -> bytes:
    """The act, as a PDF."""
    return _pdf(
        f"Délibération n° {number}",
        [
            f"<b>{payer.name}</b>",
            f"<b>Extrait du registre des délibérations du conseil municipal</b><br/>Séance du {_french(day)}",
            f"<b>Délibération n° {number} : acquisition de la parcelle AB 214, chemin du Moulin</b>",
            "Le maire rappelle que la commune souhaite ouvrir au public un jardin au bord du canal. La parcelle"
            " AB 214, d'une contenance de 1 240 m², est proposée par son propriétaire au prix de 18 600 €. Le plan de"
            " situation et l'état parcellaire sont joints en annexe.",
            "<b>Après en avoir délibéré, le conseil municipal, par quinze voix pour et deux abstentions :</b>",
            "Article 1 : approuve l'acquisition de la parcelle AB 214 au prix de 18 600 €.",
            "Article 2 : autorise le maire à signer l'acte authentique et toute pièce utile.",
            "Article 3 : dit que la dépense est inscrite au budget de l'exercice, au chapitre 21.",
            "Ainsi fait et délibéré les jour, mois et an susdits.",
        ],
    )


def annexe(payer: Payer, number: str) -> bytes:
    """The annexe of the act, as a PDF."""
    rows = [
        ("Section", "Numéro", "Lieu-dit", "Contenance", "Prix"),
        ("AB", "214", "Chemin du Moulin", "12 a 40 ca", "18 600,00 €"),
    ]
    title = f"{payer.name} : annexe à la délibération n° {number}, état parcellaire"
    return _pdf("État parcellaire", [title], Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, "black")]))


def invoice(payer: Payer, number: str, day: date) -> bytes:
    """The invoice that the PES flow carries, as a PDF."""
    rows = [("Désignation", "Quantité", "Montant HT"), ("Bancs en bois du jardin public", "4", "1 280,00 €")]
    title = f"Menuiserie du Canal : facture n° {number} du {_french(day)}, adressée à {payer.name}"
    return _pdf("Facture", [title], Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, "black")]))


def _french(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _pdf(title: str, paragraphs: Sequence[str], table: Table | None = None) -> bytes:
    style = getSampleStyleSheet()["BodyText"]
    style.fontSize, style.leading = 11, 16
    story: list[object] = []
    for text in paragraphs:
        story += [Paragraph(text, style), Spacer(1, 0.4 * cm)]
    if table is not None:
        story.append(table)
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4, title=title, author="Bac à sable tdt").build(story)
    return target.getvalue()


def pes_aller(payer: Payer, nom_fic: str, day: date) -> bytes:
    """One mandat with its invoice as PJ, in ISO-8859-1 as the DGFiP wants it."""
    number = f"F{day:%Y%m%d}"
    pj = base64.b64encode(gzip.compress(invoice(payer, number, day), mtime=0)).decode("ascii")
    values = {
        "nom_fic": quoteattr(nom_fic),
        "day": quoteattr(day.isoformat()),
        "year": quoteattr(str(day.year)),
        "siret": quoteattr(payer.siret),
        "label": quoteattr(payer.name[:38]),
        "pj_id": quoteattr(f"{payer.siret}{number}"),
        "pj_name": quoteattr(f"facture_{number}.pdf"),
        "pj": pj,
    }
    return PES_ALLER.format(**values).encode("iso-8859-1")


PES_ALLER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller">
  <Enveloppe>
    <Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V={nom_fic}/></Parametres>
    <Emetteur><Sigle V="TDT"/><Adresse V="BAC A SABLE"/></Emetteur>
  </Enveloppe>
  <EnTetePES>
    <DteStr V={day}/><IdPost V="034012"/><IdColl V={siret}/><CodCol V="412"/><CodBud V="00"/>
    <LibelleColBud V={label}/>
  </EnTetePES>
  <PES_DepenseAller>
    <EnTeteDepense><IdVer V="2"/><InfoDematerialisee V="0"/></EnTeteDepense>
    <Bordereau>
      <BlocBordereau>
        <Exer V={year}/><IdBord V="41"/><DteBordEm V={day}/><TypBord V="01"/><NbrPce V="1"/>
        <MtCumulAnnuel V="1280.00"/><MtBordHT V="1280.00"/>
      </BlocBordereau>
      <Piece>
        <BlocPiece>
          <InfoPce>
            <IdPce V="118"/><TypPce V="01"/><NatPce V="01"/><Obj V="Bancs du jardin public, chemin du Moulin"/>
            <PJRef><Support V="01"/><IdUnique V={pj_id}/><NomPJ V={pj_name}/></PJRef>
          </InfoPce>
        </BlocPiece>
        <LigneDePiece>
          <BlocLignePiece>
            <InfoLignePce><IdLigne V="1"/><Nature V="2184"/><TVAIntraCom V="0"/><MtHT V="1280.00"/></InfoLignePce>
          </BlocLignePiece>
        </LigneDePiece>
      </Piece>
    </Bordereau>
  </PES_DepenseAller>
  <PES_PJ>
    <EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>
    <PJ>
      <Contenu><Fichier MIMEType="application/pdf">{pj}</Fichier></Contenu>
      <IdUnique V={pj_id}/><NomPJ V={pj_name}/><TypePJ V="003"/><Description V="Facture des bancs"/>
    </PJ>
  </PES_PJ>
</n:PES_Aller>
"""
