"""Who lives in a sandbox: two collectivités in a group, their accounts and rights, the routes to the simulators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.db import accounts, authorities, conventions, routes, services
from tdt.db.pool import Connection, open_pool, transaction
from tdt.domain.authorities import Module, Permission, Role
from tdt.domain.conventions import Convention
from tdt.domain.identity import certificate_hash
from tdt.domain.ids import AccountId, AuthorityId, GroupId, RouteId
from tdt.domain.routes import RouteKind, Transport
from tdt.passwords import hash_now
from tdt.sandbox.layout import CREDENTIALS_DGFIP, CREDENTIALS_PREFECTURE
from tdt.sandbox.pki import Pki
from tdt.sandbox.settings import Ports, Settings

GROUP = "Groupe du bac à sable"
BEGINNING = date(2020, 1, 1)
"""The routes have always been these."""
SECOND_LOGIN = "system-2"
EVERYTHING = dict.fromkeys(Module, Permission.RW)
READING = dict.fromkeys(Module, Permission.RO)


class NotOurs(Exception):
    """The database holds the data of somebody else."""


@dataclass(frozen=True, slots=True)
class Collectivity:
    """A collectivité of the sandbox, as it is printed."""

    key: str
    new: authorities.NewAuthority
    sirets: tuple[str, ...]

    def registry(self) -> dict[str, object]:
        """How the préfecture knows it."""
        new = self.new
        return {
            "siren": new.siren,
            "department": new.department,
            "district": new.district,
            "nature": new.nature,
            "name": new.name,
        }


COLLECTIVITIES = (
    Collectivity(
        "A",
        authorities.NewAuthority(
            name="Commune de Sablières-la-Vieille",
            siren="123456782",
            nature=31,
            department="034",
            district="3",
            email="mairie@sablieres.example",
            telephone="0467000001",
            address="1 place de la Mairie",
            postal_code="34000",
            city="Sablières-la-Vieille",
            p_dest="VHPCE31",
        ),
        ("12345678200010",),
    ),
    Collectivity(
        "B",
        authorities.NewAuthority(
            name="Commune de Valsonge",
            siren="987654324",
            nature=31,
            department="034",
            district="1",
            email="mairie@valsonge.example",
            telephone="0467000002",
            address="2 rue du Pont",
            postal_code="34500",
            city="Valsonge",
            p_dest="VHPCE31",
        ),
        ("98765432400019",),
    ),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An account: `name` is also that of its certificate, unless `certificate` names another."""

    name: str
    role: Role
    family_name: str
    given_name: str
    collectivity: str | None = None
    in_group: bool = False
    permissions: Mapping[Module, Permission] | None = None
    login: str | None = None
    certificate: str = ""


ACCOUNTS = (
    Person("system", Role.USER, "métier", "Logiciel", "A", permissions=EVERYTHING, login="system"),
    Person(
        SECOND_LOGIN,
        Role.USER,
        "logiciel",
        "Second",
        "A",
        permissions=EVERYTHING,
        login=SECOND_LOGIN,
        certificate="system",
    ),
    Person("certonly", Role.USER, "seul", "Logiciel", "A", permissions=EVERYTHING),
    Person("agent", Role.USER, "Agent", "Camille", "A", permissions=EVERYTHING),
    Person("adm", Role.ADM, "Administrateur", "Dominique", "A", permissions=EVERYTHING),
    Person("arch", Role.ARCH, "Archiviste", "Claude", "A", permissions=READING),
    Person("other", Role.USER, "de Valsonge", "Logiciel", "B", permissions=EVERYTHING),
    Person("gadm", Role.GADM, "Administrateur de groupe", "Maxime", in_group=True),
    Person("sadm", Role.SADM, "Super administrateur", "Sacha"),
    # accounts that exist, so that only their certificate can be what is refused
    Person("expired", Role.USER, "expiré", "Certificat", "A", permissions=EVERYTHING),
    Person("revoked", Role.USER, "révoqué", "Certificat", "A", permissions=EVERYTHING),
    Person("unknown-ca", Role.USER, "inconnue", "Autorité", "A", permissions=EVERYTHING),
)
HIDDEN = frozenset({SECOND_LOGIN, "expired", "revoked", "unknown-ca"})
SHOWN = tuple(person for person in ACCOUNTS if person.name not in HIDDEN)
SERVICE = ("system", "certonly", "agent")


@dataclass(frozen=True, slots=True)
class Population:
    """Who is recorded in a new sandbox."""

    collectivities: Sequence[Collectivity] = COLLECTIVITIES
    people: Sequence[Person] = ACCOUNTS


async def provision(
    owner_dsn: str, pki: Pki, settings: Settings, population: Population | None = None
) -> dict[str, AuthorityId]:
    """The ids of the collectivités by their key; everything is recorded once, the addresses of the routes each time."""
    who = population or Population()
    pool = await open_pool(owner_dsn, 1)
    try:
        async with transaction(pool, "system") as connection:
            found = await _find(connection, pki, who)
            if found is None:
                found = await _insert(connection, pki, settings, who)
            for new in _routes(settings.ports):
                await connection.execute("update route set settings = $2 where name = $1", new.name, dict(new.settings))
            return found
    finally:
        pool.terminate()


async def _find(connection: Connection, pki: Pki, who: Population) -> dict[str, AuthorityId] | None:
    rows = await connection.fetch("select id, siren from authority")
    if not rows:
        return None
    if not await accounts.find_accounts(connection, certificate_hash(_der(pki, "certonly"))):
        raise NotOurs("this database holds other data than this sandbox's: give it an empty one")
    ids = {row["siren"]: AuthorityId(row["id"]) for row in rows}
    return {collectivity.key: ids[collectivity.new.siren] for collectivity in who.collectivities}


async def _insert(connection: Connection, pki: Pki, settings: Settings, who: Population) -> dict[str, AuthorityId]:
    group = await authorities.insert_group(connection, GROUP)
    ways = {new.kind: await routes.insert_route(connection, new) for new in _routes(settings.ports)}
    ids: dict[str, AuthorityId] = {}
    for collectivity in who.collectivities:
        ids[collectivity.key] = await _insert_collectivity(connection, collectivity, group, ways)
    people = {
        person.name: await _insert_account(connection, person, ids, _new_account(person, pki, settings, group))
        for person in who.people
    }
    service = await services.insert_service(connection, ids["A"], "Secrétariat général")
    for name in SERVICE:
        await services.insert_service_member(connection, service, people[name], ids["A"])
    return ids


async def _insert_collectivity(
    connection: Connection, collectivity: Collectivity, group: GroupId, ways: Mapping[RouteKind, RouteId]
) -> AuthorityId:
    authority = await authorities.insert_authority(connection, collectivity.new)
    await authorities.insert_membership(connection, authority, group, BEGINNING)
    for siret in collectivity.sirets:
        await authorities.insert_siret(connection, authority, siret)
    for kind, route in ways.items():
        await routes.insert_authority_route(connection, authority, kind, route, BEGINNING)
        await conventions.insert_convention(connection, _convention(authority, collectivity, Module(kind)))
    return authority


def _convention(authority: AuthorityId, collectivity: Collectivity, module: Module) -> Convention:
    """One without end, as most are: renewed by tacit agreement."""
    return Convention(
        id=0,
        authority_id=authority,
        module=module,
        reference=f"{module.upper()}-{collectivity.key}-2020",
        signed_on=BEGINNING,
        starts_on=BEGINNING,
        device="tdt",
        state_party="Préfecture du bac à sable" if module is Module.ACTES else "Poste comptable du bac à sable",
        operator=GROUP,
    )


def _new_account(person: Person, pki: Pki, settings: Settings, group: GroupId) -> accounts.NewAccount:
    certificate = x509.load_der_x509_certificate(_der(pki, person.certificate or person.name))
    return accounts.NewAccount(
        role=person.role,
        name=person.family_name,
        givenname=person.given_name,
        group_id=group if person.in_group else None,
        email=f"{person.name}@{'valsonge' if person.collectivity == 'B' else 'sablieres'}.example",
        telephone="0467000000",
        certificate_hash=certificate_hash(certificate.public_bytes(Encoding.DER)),
        certificate=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        subject_dn=certificate.subject.rfc4514_string(),
        issuer_dn=certificate.issuer.rfc4514_string(),
        certificate_not_after=certificate.not_valid_after_utc,
        login=person.login,
        password_hash=hash_now(settings.password(person.name)) if person.login else None,
    )


async def _insert_account(
    connection: Connection, person: Person, ids: Mapping[str, AuthorityId], new: accounts.NewAccount
) -> AccountId:
    authority = ids[person.collectivity] if person.collectivity else None
    account = await accounts.insert_account(connection, replace(new, authority_id=authority))
    if authority is not None:
        for module, permission in (person.permissions or {}).items():
            await accounts.insert_permission(connection, account, authority, module, permission)
    return account


def _routes(ports: Ports) -> tuple[routes.NewRoute, routes.NewRoute]:
    prefecture = {
        "url": f"https://localhost:{ports.prefecture}/",
        "rescue_url": "",
        "accepted_status": [200, 201],
        "imap_host": "127.0.0.1",
        "imap_port": ports.mailbox,
        "imap_tls": False,
        "imap_folder": "INBOX",
        "imap_done_folder": "",
    }
    dgfip = {
        "host": "127.0.0.1",
        "port": ports.ftp,
        "send_directory": "entree",
        "receive_directory": "sortie",
        "use_pasv_address": True,
    }
    return (
        routes.NewRoute(
            RouteKind.ACTES, Transport.HTTPS, "Préfecture du bac à sable", prefecture, CREDENTIALS_PREFECTURE, True
        ),
        routes.NewRoute(
            RouteKind.HELIOS, Transport.FTP_GATEWAY, "DGFiP du bac à sable", dgfip, CREDENTIALS_DGFIP, True
        ),
    )


def _der(pki: Pki, name: str) -> bytes:
    return x509.load_pem_x509_certificate(pki.client(name).cert.read_bytes()).public_bytes(Encoding.DER)
