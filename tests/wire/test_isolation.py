"""Nothing of another collectivité is told by any route: its numbers, certificates and accounts are as unknown ones.

A number of another collectivité gets the bytes that a number of nothing gets, by the same statements, and changes
nothing. The routes come from the code: one that is new fails here until tests/data/rights names what it may be asked
(requests.tsv, and crossings.tsv for more parameters).
"""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.config import Config
from tdt.domain.authorities import Module, Permission, Role
from tdt.passwords import hash_now
from tdt.web.auth import FORWARDED_HEADER
from tdt.web.routes import ROUTES
from tests.architecture.sources import modules
from tests.postgres import TestDatabase
from tests.rights import Way, answer_bytes, module_of, read_ways
from tests.told import tell
from tests.wire.administration import make_certificate
from tests.wire.rights_world import PASSWORD, UNKNOWN, Answer, Caller, Session, World, basic, run_world

WAYS = [*read_ways(), *read_ways("crossings.tsv")]
TABLES = "select tablename from pg_tables where schemaname = 'public' and tablename <> 'migration' order by 1"
NOBODY = answer_bytes(
    "REPLY Le certificat n'est pas valide : aucun compte trouvé | GOTO /connexion-status",
    0,
)
CLOCK = re.compile(rb"<dateDemande>[^<]*</dateDemande>")
ROLES = (Role.USER, Role.ADM, Role.ARCH, Role.GADM)
"""A SADM sees all: nothing is foreign to it."""

FOR_ANYONE = {"/connexion-status", "/login.php", "/admin/users/api-list-login.php"}
"""Routes that know no account: they tell of the certificate of the connection alone, whatever a header says."""


PLAIN = """
    after from module to
    acte_pdf_file acte_pdf_file_sign api auth_method authority_type_id certificat_status confirm
    convention_actes count date_affichage decision_date department district email enveloppe givenname hash
    helios_do_not_verify_nom_fic_unicity helios_ftp_dest login name nature_code nounce number page password password2
    role send_sources show_broadcast_email siren_file status subject telephone type type_acte type_envoie url_return
    date_debut date_fin limit max_date min_date month offset status_id type_acte url year
    message reason deposited nb_signature num_prefix description files process_next_batch_file"""
"""Parameters that name nothing that a collectivité holds; login, hash and nounce are crossed apart."""


@pytest.fixture
async def world(
    config: Config, empty_database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async with run_world(config, empty_database, tmp_path, monkeypatch) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request shows, and what it did behind."""

    answer: Answer
    queries: tuple[str, ...]


async def look(
    world: World,
    session: Session,
    way: Way,
    values: Mapping[str, str],
    crossed: str = "",
    headers: Mapping[str, str] | None = None,
) -> Seen:
    """Ask; the number that was asked for, and the time of an answer, are not what is compared."""
    world.queries.clear()
    answer = await session.ask(way, values, headers)
    told = answer.told.replace(values[crossed].encode(), b"<number>") if crossed else answer.told
    told = CLOCK.sub(b"", told)
    assert world.queries, way
    return Seen(Answer(answer.status, told), tuple(world.queries))


async def digest(world: World) -> dict[str, str]:
    """All that the database holds, by table."""
    names = [row["tablename"] for row in await world.owner.fetch(TABLES)]
    parts = [
        f"select '{name}' as name, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {name} t"
        for name in names
    ]
    return dict(await world.owner.fetch(" union all ".join(parts)))


def callers(world: World, way: Way) -> Iterator[tuple[Role, Caller]]:
    """One of each role, with all rights in the module of the route."""
    for role in ROLES:
        yield role, world.callers[role, Permission.RW, module_of(way.path) or Module.ACTES]


def strangers(role: Role) -> tuple[str, ...]:
    """Whose numbers are nothing to this role."""
    return ("foreign",) if role is Role.GADM else ("group", "foreign")


async def cross(world: World, session: Session, way: Way, role: Role, crossed: str) -> tuple[int, list[str]]:
    """One parameter with the numbers of others: how many were tried, and what is not as for a number of nothing."""
    own, wrong, count = world.callers[role, Permission.RW, module_of(way.path) or Module.ACTES].owned, [], 0
    nothing = {**own, crossed: UNKNOWN[crossed]}
    await look(world, session, way, nothing, crossed)  # what is kept from one request to the next is kept from here on
    before = await digest(world)
    unknown = await look(world, session, way, nothing, crossed)
    for relation in strangers(role):
        if same_number(crossed, role, relation):
            continue
        seen = await look(world, session, way, {**own, crossed: world.held[relation][crossed]}, crossed)
        count += 1
        if seen.answer != unknown.answer:
            wrong.append(f"{relation} {seen.answer} for {unknown.answer}")
        elif seen.queries != unknown.queries:
            wrong.append(f"{relation} {seen.queries} for {unknown.queries}")
    if await digest(world) != before:
        wrong.append("something changed")
    return count, wrong


def same_number(crossed: str, role: Role, relation: str) -> bool:
    """The groups have numbers of their own: that of a neighbour is the caller's."""
    return crossed == "group" and relation == "group" and role is not Role.GADM


@pytest.mark.timeout(300)
async def test_a_number_of_another_collectivite_is_as_a_number_of_nothing(world: World) -> None:
    crossings, wrong = 0, []
    for way in WAYS:
        for role, caller in callers(world, way):
            async with Session(world, caller) as session:
                for crossed in way.placeholders:
                    count, lines = await cross(world, session, way, role, crossed)
                    crossings += count
                    wrong += [f"{role} {way.path} {way.fields} {crossed}: {line}" for line in lines]
    assert "\n".join(wrong[:20]) == "", f"{len(wrong)} wrong"
    assert crossings > 300
    tell(f"isolation: {crossings} crossings, {len({way.path for way in WAYS})} routes (numbers)")


def test_every_route_is_crossed() -> None:
    assert {way.path for way in WAYS} == {route.path for route in ROUTES}


def test_every_parameter_that_names_something_is_crossed() -> None:
    read = set()
    for path in modules("tdt/web"):
        read |= set(re.findall(r'\.(?:text|scalar)\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
        # numbered fields: the first stands for all
        read |= {f"{name}1" for name in re.findall(r'f"(signature_id_)\{', path.read_text(encoding="utf-8"))}
    crossed = {name for way in WAYS for name in re.findall(r"(\w+)=\{", way.fields)}
    assert len(crossed) > 12
    assert read - set(PLAIN.split()) == crossed


def forwarded(der: bytes) -> Mapping[str, str]:
    return {FORWARDED_HEADER: base64.b64encode(der).decode("ascii")}


async def compare(world: World, theirs: Mapping[str, str], nobody: Mapping[str, str]) -> tuple[int, list[str]]:
    """Every route with these headers instead of those: what is not the same."""
    count, wrong = 0, []
    for way in read_ways():
        for role, caller in callers(world, way):
            async with Session(world, caller) as session:
                unknown = await look(world, session, way, caller.owned, headers=nobody)
                seen = await look(world, session, way, caller.owned, headers=theirs)
                count += 1
                if seen != unknown:
                    wrong.append(f"{role} {way.path}: {seen} for {unknown}")
                if way.path not in FOR_ANYONE and (unknown.answer.status, unknown.answer.told) not in NOBODY:
                    wrong.append(f"{role} {way.path}: let in, {unknown.answer}")
    return count, wrong


async def test_the_certificate_of_another_is_as_one_of_nobody(world: World) -> None:
    nobody = x509.load_pem_x509_certificate(make_certificate("Personne")).public_bytes(Encoding.DER)
    total = 0
    for relation in ("colleague", "group", "foreign"):
        count, wrong = await compare(world, forwarded(world.certificates[relation]), forwarded(nobody))
        total += count
        assert "\n".join(wrong[:20]) == "", f"{len(wrong)} wrong"
    tell(f"isolation: {total} crossings, {len(ROUTES)} routes (certificates)")


@pytest.mark.timeout(300)
async def test_the_login_of_another_with_its_password_is_as_one_of_nobody(world: World) -> None:
    theirs, nobody = ({"Authorization": basic(login)} for login in ("foreign", "nobody"))
    count, wrong = await compare(world, theirs, nobody)
    assert "\n".join(wrong[:20]) == "", f"{len(wrong)} wrong"
    tell(f"isolation: {count} crossings, {len(ROUTES)} routes (logins)")


async def test_the_nonce_of_another_collectivite_opens_nothing(world: World) -> None:
    login, place = "foreign", world.held["foreign"]
    proof = hashlib.sha256(f"{PASSWORD}:aB3dE9x".encode()).hexdigest()
    await world.owner.execute(
        "insert into nonce (nonce, authority_id, login, hash, created_at) values ('aB3dE9x', $1, $2, $3, now())",
        int(place["authority"]),
        login,
        hash_now(proof),
    )
    count, wrong = 0, []
    for way in (way for way in read_ways() if way.method == "GET"):
        for role, caller in callers(world, way):
            async with Session(world, caller) as session:
                answers = []
                for nonce in ("aB3dE9x", "zZ9yY8x"):
                    fields = f"{way.fields}&nounce={nonce}&login={login}&hash={proof}".lstrip("&")
                    answers.append((await look(world, session, replace(way, fields=fields), caller.owned)).answer)
                answers.append((await look(world, session, way, caller.owned)).answer)
                count += 1
                if len(set(answers)) > 1:
                    wrong.append(f"{role} {way.path}: {answers}")
    assert "\n".join(wrong[:20]) == "", f"{len(wrong)} wrong"
    tell(f"isolation: {count} crossings (nonces)")
