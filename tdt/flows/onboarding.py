"""What collectivités still need before their first sending: the facts gathered, the checklist of each."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime

from tdt.certificates.files import read_certificates
from tdt.certificates.rgs import Assessor, load_issuers
from tdt.config import Config, ConfigError
from tdt.db import onboarding as db
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authorities import ACTIVE, Owner
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Dossier, judge
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.domain.onboarding import Bearer, Facts, Item, ModuleFacts, checklist

NOT_RECORDED = "son certificat n'est pas enregistré"
UNREADABLE = "son certificat est illisible"
NO_TRUST = (
    "les autorités de confiance du serveur sont illisibles : tdt check-config et tdt certificates disent pourquoi"
)

Opened = tuple[db.Opening, Sequence[Item]]


async def list_checklists(deps: Deps, by: Actor) -> list[Opened]:
    """Each active collectivité that the actor sees, with its checklist."""
    async with deps.acting(by) as connection:
        found = await db.list_openings(connection)
    return await asyncio.to_thread(_judged, deps.config, found, deps.now())


async def find_checklist(deps: Deps, by: Actor, authority: AuthorityId) -> Sequence[Item]:
    """The checklist of one. Raises Refused when it is unknown or not the actor's to administer: the same for both."""
    from_group = by.who.user.group_id if by.who is not None else None
    async with deps.acting(by) as connection:
        found = await db.list_openings(connection, authority)
    # what the scope shows is of the actor's group or its own: the role alone is left to be asked
    if not found or not by.administers(Owner(None, authority, group_id=from_group)):
        raise Refused(NOT_FOUND)
    [(_, items)] = await asyncio.to_thread(_judged, deps.config, found, deps.now())
    return items


def _judged(config: Config, found: Sequence[db.Opening], now: datetime) -> list[Opened]:
    try:
        authorities = read_certificates(config.server.transmit_authorities)
        assessor = Assessor(authorities, load_issuers(config.server.rgs))
    except (OSError, ConfigError):
        assessor = None
    return [(one, checklist(_facts(config, one, assessor, now), paris_date(now))) for one in found]


def _facts(config: Config, one: db.Opening, assessor: Assessor | None, now: datetime) -> Facts:
    return Facts(
        active=one.status == ACTIVE,
        closed_on=one.closed_on,
        siren=one.siren,
        nature=one.nature,
        department=one.department,
        district=one.district,
        email=one.email,
        p_dest=one.p_dest,
        sirets=one.sirets,
        classification_on=one.classification_on,
        modules={
            module: ModuleFacts(
                verdict=judge(
                    one.dossiers.get(module, Dossier()), frozenset(), paris_date(now), config.conventions.policy
                ),
                way=one.ways.get(module),
                bearers=[
                    Bearer(bearer.name, bearer.not_after, _refusal(bearer, assessor, now))
                    for bearer in one.bearers.get(module, ())
                ],
                tested=module in one.tested,
                in_production=module in one.in_production,
            )
            for module in one.modules
        },
    )


def _refusal(bearer: db.Bearer, assessor: Assessor | None, now: datetime) -> str:
    """Why this certificate cannot télétransmettre, empty when it can."""
    if not bearer.certificate:
        return NOT_RECORDED
    if assessor is None:
        return NO_TRUST
    try:
        return assessor.assess(ssl.PEM_cert_to_DER_cert(bearer.certificate), now).refusal
    except ValueError:
        return UNREADABLE
