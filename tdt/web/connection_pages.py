"""Where a browser is sent when it is not let in: what its certificate is worth now, who must act, and how.

The pages look at the connection anew, so that they tell the truth whatever sent the browser there, and keep no session.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

from tdt.db.accounts import Account, list_certificate_accounts
from tdt.db.logins import get_failures
from tdt.domain.authorities import ACTIVE, Role
from tdt.domain.calendar import paris_date
from tdt.domain.identity import Identity
from tdt.flows.logins import blocked_until, window_start
from tdt.web.auth import LOGIN_PAGE, STATUS_PAGE, minutes_until, request_address
from tdt.web.call import Call
from tdt.web.html import bullets, facts, heading, link, page, paragraph

OPERATOR = "l'exploitant de la plateforme"
ADMINISTRATOR = (
    "l'administrateur de votre collectivité (à défaut, celui de votre groupe, ou l'exploitant de la plateforme)"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, as docs/errors.md tells them: its code, who must act, the remedy."""

    code: str
    cause: str
    who: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Found:
    """An account of the certificate. `minutes`: until its passwords are looked at again from here; 0: now."""

    account: Account
    minutes: int


NO_CERTIFICATE = Finding(
    "NON_IDENTIFIE",
    "Votre navigateur n'a présenté aucun certificat, ou un certificat illisible.",
    f"vous-même ; si le certificat est bien installé, {OPERATOR}",
    "Installez dans votre navigateur le certificat remis à votre collectivité (ou branchez la clé qui le porte), "
    "fermez toutes les fenêtres du navigateur, puis recommencez en choisissant ce certificat.",
)
UNKNOWN = Finding(
    "NON_IDENTIFIE",
    "Ce certificat n'est enregistré sur aucun compte.",
    ADMINISTRATOR,
    "Faites enregistrer ce certificat sur votre compte. Après un renouvellement, le nouveau certificat doit remplacer "
    "l'ancien : l'empreinte ci-dessous permet de les distinguer.",
)
SEVERAL = Finding(
    "NON_IDENTIFIE",
    "Plusieurs comptes partagent ce certificat : il ne suffit pas à savoir lequel est le vôtre.",
    "vous-même, ou la personne qui règle votre logiciel",
    "Indiquez lequel, comme l'explique la page de choix du compte.",
)
OTHERWISE = (
    "le logiciel a envoyé un identifiant ou un mot de passe qui n'est pas celui du compte ;",
    "il a transmis le certificat d'un agent (en-tête org.s2low.forward-x509-identification) qui n'est pas celui du "
    "compte ;",
    "le lien de votre logiciel métier a été ouvert plus de cinq minutes après avoir été fait, ou avec le certificat "
    "d'une autre collectivité.",
)


async def connexion_status(call: Call) -> web.StreamResponse:
    """What the certificate of the connection is worth."""
    identity = call.certificate
    found = await _find(call, identity) if identity is not None else []
    findings = list(_diagnose(identity, found))
    parts = [part for finding in findings for part in _told(finding)]
    if not findings:
        parts += [
            paragraph("Votre certificat est reconnu et votre compte est actif."),
            paragraph("Si un refus vous a mené ici, c'est que :"),
            bullets(OTHERWISE),
            paragraph(
                "Recommencez depuis votre logiciel ; si cela persiste, faites vérifier les réglages de sa connexion."
            ),
        ]
    if len(found) > 1:
        parts.append(link(call.page(LOGIN_PAGE), "Choisir un compte"))
    if identity is not None:
        parts += [heading("Votre certificat"), facts(_certificate(identity))]
    if found:
        parts += [heading("Comptes de ce certificat"), bullets(_line(one) for one in found)]
    return page("Connexion refusée" if findings else "État de la connexion", parts)


async def login(call: Call) -> web.StreamResponse:
    """How to say which of the accounts of a certificate is meant."""
    found = await _find(call, call.certificate) if call.certificate is not None else []
    if len(found) < 2:
        parts = [paragraph("Votre certificat n'est pas partagé entre plusieurs comptes : il n'y a rien à choisir.")]
    else:
        parts = [
            paragraph("Plusieurs comptes partagent votre certificat. Pour dire lequel est le vôtre :"),
            bullets(
                (
                    "un logiciel envoie l'identifiant (login) et le mot de passe du compte avec chaque requête "
                    "(authentification HTTP « Basic ») : ils se saisissent dans les réglages de sa connexion ;",
                    "dans un navigateur, repartez de votre logiciel métier : le lien qu'il ouvre désigne le compte, "
                    "pendant cinq minutes ;",
                    "sinon demandez un certificat à votre nom : un certificat sur un seul compte suffit.",
                )
            ),
            heading("Comptes de ce certificat"),
            bullets(_line(one) for one in found),
            paragraph(f"Mot de passe ou identifiant perdu : adressez-vous à {ADMINISTRATOR}."),
        ]
    parts.append(link(call.page(STATUS_PAGE), "État de la connexion"))
    return page("Choisir un compte", parts)


async def _find(call: Call, identity: Identity) -> list[Found]:
    deps, address = call.deps, request_address(call.request, call.deps)
    found = []
    async with deps.transaction("system") as connection:
        for account in await list_certificate_accounts(connection, identity.certificate_hash):
            failures = await get_failures(connection, account[0].id, address, window_start(deps))
            until = blocked_until(deps, failures)
            found.append(Found(account, minutes_until(deps.now(), until) if until is not None else 0))
    return found


def _diagnose(identity: Identity | None, found: list[Found]) -> Iterator[Finding]:
    if identity is None:
        yield NO_CERTIFICATE
    elif not found:
        yield UNKNOWN
    elif len(found) > 1:
        yield SEVERAL
    for one in found:
        if one.minutes:
            yield Finding(
                "TROP_D_ECHECS",
                f"Trop de mots de passe faux ont été envoyés depuis votre adresse pour le compte « {_name(one)} ».",
                "la personne qui règle votre logiciel",
                f"Corrigez le mot de passe que le logiciel envoie, puis recommencez dans {one.minutes} min.",
            )
        elif reason := _inactive(one):
            yield Finding("COMPTE_INACTIF", f"Compte « {_name(one)} » : {reason}.", ADMINISTRATOR, "Faites-le activer.")


def _told(finding: Finding) -> Iterator[str]:
    yield paragraph(finding.cause)
    yield facts((("Qui doit agir", finding.who), ("Que faire", finding.remedy), ("Code", finding.code)))


def _certificate(identity: Identity) -> Iterator[tuple[str, str]]:
    yield "Titulaire", identity.subject_dn
    yield "Émis par", identity.issuer_dn
    yield "Valable jusqu'au", paris_date(identity.not_after).strftime("%d/%m/%Y")
    yield "Empreinte (SHA-1, base 64)", identity.certificate_hash


def _line(one: Found) -> str:
    state = f"fermé à votre adresse pendant {one.minutes} min" if one.minutes else _inactive(one) or "actif"
    return f"{_name(one)} : {state}"


def _name(one: Found) -> str:
    """Its login, as api-list-login.php tells: a certificate may be shared by persons of several collectivités."""
    return one.account[0].login or "sans identifiant"


def _inactive(one: Found) -> str:
    user, authority, _ = one.account
    if user.status != ACTIVE:
        return "le compte est désactivé"
    if user.role is Role.GADM and not user.own_group_active:
        return "le groupe que le compte administre est désactivé"
    if authority is not None and authority.status != ACTIVE:
        return "la collectivité est désactivée"
    return "le groupe de la collectivité est désactivé" if authority is not None and not authority.group_active else ""
