"""The export of a collectivité: its layout, its manifest, how it explains itself, what must agree in it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

FORMAT = "tdt-export"
VERSION = 1
README, SUMS, MANIFEST = "LISEZMOI.txt", "SHA256SUMS", "manifeste.json"
ROWS, BODIES = "donnees", "contenus"
BODY_TABLE = "content"
PER_FOLDER = 1000
NAME_LENGTH = 100
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
SUM_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)\Z")

MEANING: Mapping[str, str] = {
    "authority": "la collectivité",
    "authority_membership": "les groupes dont elle a fait partie",
    "authority_group": "les noms de ces groupes",
    "authority_siret": "ses SIRET",
    "authority_granted_siren": "les SIREN accordés outre le sien : ses flux en apprennent les SIRET",
    "siret_proposal": "les SIRET portés par ses flux et soumis à l'exploitant",
    "authority_route": "ses raccordements à @CTES et à Hélios, au fil du temps",
    "route": "les noms de ces raccordements",
    "account": "ses comptes, sans les empreintes de leurs mots de passe",
    "account_permission": "les droits des comptes",
    "service": "ses services",
    "service_member": "les membres des services",
    "convention": "ses conventions",
    "convention_avenant": "leurs avenants",
    "suspension": "les suspensions de la télétransmission",
    "notice": "les avis envoyés par courriel",
    "acte_envelope_serial": "les numéros d'enveloppe utilisés, par jour",
    "acte_envelope": "les enveloppes transmises à @CTES (content_id : l'archive envoyée)",
    "acte_transaction": "les actes et autres transactions d'@CTES",
    "acte_file": "leurs fichiers (position 0 : le message, 1 : l'acte, ensuite : les annexes)",
    "acte_workflow": "la vie des transactions d'@CTES (flux_content_id : ce que l'État a répondu)",
    "acte_classification": "les classifications reçues",
    "acte_classification_announced": "les dates de classification que le ministère a annoncées",
    "acte_report": "ce que les contrôles ont dit de chaque fichier",
    "acte_batch": "les lots de fichiers à envoyer",
    "acte_batch_file": "leurs fichiers (transaction_id : l'acte que chacun est devenu)",
    "acte_mail": "courriels sur la vie des actes : à qui, quand, ou pourquoi ils n'ont pas été pris",
    "acte_notification": "ce que chaque courriel annonçait, et ce qui n'a pas été envoyé (souhait, adresse refusée)",
    "account_notification": "ce que chaque compte souhaite recevoir par courriel",
    "mail_refusal": "adresses que le serveur de courrier refuse",
    "helios_transaction": "les PES (content_id : le flux, unsigned_content_id : le même avant qu'il ait été signé ici, "
    "acquit_content_id : son acquittement)",
    "helios_nomfic": "les noms de fichier (NomFic, CodCol) qu'elle a pris",
    "helios_workflow": "la vie des PES",
    "helios_report": "ce que les contrôles ont dit de chaque PES",
    "helios_retour": "les PES_Retour, lus (status 1) ou non",
    "helios_verdict": "ce que chaque acquittement dit d'un PES : bordereaux, pièces, lignes, pièces jointes",
    "helios_bordereau": "les bordereaux que portent les PES, et les numéros de leurs pièces",
    "helios_retour_summary": "ce que dit chaque PES_Retour, en nombres",
    "helios_retour_piece": "ce que les PES_Retour disent des mandats et des titres",
    "attempt": "chaque tentative de transmission, avec ce qui est parti et son issue",
    "helios_alert": "ce dont l'exploitant a été averti : un PES trop longtemps dans un état",
    "alert": "ce dont l'exploitant a été averti : ce qui a dépassé sa limite, ou ne tombe pas juste",
    "balance": "les soldes du jour : ce qui a été déposé, envoyé, acquitté ou attendu, signés (document en base 16)",
    "received": "ce qui a été reçu de l'État, tel quel (content_id)",
    "event": "les changements d'état",
    "audit": "qui a fait quoi, et quand",
    BODY_TABLE: "les contenus : leur taille, leur SHA-256 et le fichier de cet export où ils sont",
}
"""The tables of an export, in its order, and what they hold."""


def body_path(content: int, name: str) -> str:
    """Where a body lies in the export: by its number, then by a name that a person recognises."""
    safe = UNSAFE.sub("_", name)[-NAME_LENGTH:].lstrip("._-") or "contenu"
    return f"{BODIES}/{content // PER_FOLDER:06d}/{content}_{safe}"


def rows_path(table: str) -> str:
    """Where the rows of a table lie."""
    return f"{ROWS}/{table}.jsonl"


@dataclass(frozen=True, slots=True)
class Summary:
    """What an export is of, and what it holds."""

    authority: int
    name: str
    siren: str
    closes_on: str | None
    taken_at: datetime
    counts: Mapping[str, int]
    files: int
    body_bytes: int


def build_manifest(summary: Summary, sums_sha256: bytes) -> bytes:
    """The manifest: the SHA-256 of the list of the SHA-256 of every file, and the rows of every table."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "collectivite": {"id": summary.authority, "nom": summary.name, "siren": summary.siren},
        "fermee_le": summary.closes_on,
        "etat_au": summary.taken_at.isoformat(),
        "fichiers": summary.files,
        "octets_des_contenus": summary.body_bytes,
        "lignes": dict(summary.counts),
        "sha256": {SUMS: sums_sha256.hex()},
    }
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says, as far as a check needs it."""

    sums_sha256: str
    files: int
    body_bytes: int
    counts: Mapping[str, int]


def read_manifest(data: bytes) -> Manifest:
    """The manifest of an export. ValueError when it is none of ours."""
    try:
        value = json.loads(data)
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            raise ValueError("not our format")
        counts = {str(table): int(count) for table, count in value["lignes"].items()}
        return Manifest(str(value["sha256"][SUMS]), int(value["fichiers"]), int(value["octets_des_contenus"]), counts)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not our format") from error


def read_sum(line: str) -> tuple[str, str] | None:
    """The digest and the path of a line of SHA256SUMS; None when it is not one that we write."""
    found = SUM_LINE.match(line)
    if found is None or any(part in ("", ".", "..") for part in found[2].split("/")):
        return None
    return found[1], found[2]


def build_readme(summary: Summary) -> bytes:
    """The page that explains the export to whoever opens it without us."""
    tables = "\n".join(f"  {rows_path(table):36} {MEANING[table]}" for table in MEANING)
    return README_TEXT.format(
        name=summary.name,
        siren=summary.siren,
        taken_at=summary.taken_at.strftime("%d/%m/%Y à %H:%M:%S UTC"),
        tables=tables,
        rows=ROWS,
        bodies=BODIES,
        sums=SUMS,
        manifest=MANIFEST,
        body_table=rows_path(BODY_TABLE),
    ).encode()


README_TEXT = """\
EXPORT DE TÉLÉTRANSMISSION

Collectivité : {name} (SIREN {siren})
État au {taken_at}

Ce dossier contient tout ce que la plate-forme de télétransmission conservait de la collectivité : ses actes et ses PES
tels qu'ils ont été déposés, ce qui a été envoyé à l'État, ce que l'État a répondu (accusés de réception, anomalies,
acquittements, courriers), la vie de chaque transaction et le journal de qui a fait quoi.

CONTENU

  {manifest:36} ce que l'export contient, et l'empreinte de {sums}
  {sums:36} l'empreinte SHA-256 de chacun des autres fichiers
  {bodies}/                            les fichiers eux-mêmes, octet pour octet
{tables}

Chaque fichier .jsonl contient une ligne par objet ; chaque ligne est un objet JSON en UTF-8. Les instants sont en UTC.
Les suites d'octets sont écrites en hexadécimal, après « \\x ». Les colonnes qui finissent par « content_id » désignent
un contenu : la ligne de {body_table} qui a ce numéro dit dans quel fichier il se trouve.

États des actes : -1 erreur, 0 annulé, 1 posté, 2 en attente de transmission, 3 transmis, 4 acquittement reçu,
5 validé, 6 refusé, 7 document reçu, 8 acquittement envoyé, 17 en attente d'être posté, 18 en attente d'être signé.
États des PES : -1 erreur, 1 posté, 2 en attente de transmission, 3 transmis, 4 acquittement reçu, 6 refusé,
8 information disponible, 13 en attente d'être signé, 14 en attente d'être télétransmis.

VÉRIFIER, SANS AUCUN LOGICIEL PARTICULIER

  sha256sum --check --quiet {sums}     chaque fichier est celui qui a été exporté
  sha256sum {sums}                     doit donner l'empreinte écrite dans {manifest}
  sha256sum {manifest}                 doit donner l'empreinte que la plate-forme a gardée

CE QUI N'Y EST PAS

Les empreintes des mots de passe, les secrets de connexion à l'État, et les échecs récents de connexion.
"""
