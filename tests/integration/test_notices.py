"""Notices on a real Postgres and a real mail server: each once, none lost, none blocking another."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog

from tdt.config import Config, Database, Mail, Server, Spool, Worker
from tdt.db import accounts as accounts_db
from tdt.deps import Deps, open_deps, utc_now
from tdt.domain.authorities import Role
from tdt.domain.calendar import paris_date
from tdt.domain.expiry import Kind
from tdt.domain.ids import AuthorityId, NoticeId
from tdt.flows import notices
from tdt.remote.mailer import Mailer
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.schedule import look_at_certificates
from tests.doorbells import make_authority, until, working
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import mail_host, settings

OPERATOR = "exploitant@tdt.example"


@dataclass(slots=True)
class Office:
    """A collectivité with an administrator and a software, and a clock that can be moved."""

    deps: Deps
    authority: AuthorityId
    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return utc_now() + self.offset

    async def plan(self) -> int:
        return await notices.plan(self.deps, await notices.list_certificates(self.deps))

    async def fetch(self, query: str, *values: object) -> list[Any]:
        async with self.deps.transaction("system") as connection:
            return await connection.fetch(query, *values)

    async def execute(self, query: str, *values: object) -> None:
        async with self.deps.transaction("system") as connection:
            await connection.execute(query, *values)

    async def told(self) -> set[tuple[str, int, str]]:
        rows = await self.fetch("select kind, threshold, recipient from notice")
        return {(row["kind"], row["threshold"], row["recipient"]) for row in rows}

    async def add(self, role: Role, name: str, **others: Any) -> None:
        values: dict[str, Any] = {"authority_id": self.authority, "email": f"{name}@a.example"} | others
        new = accounts_db.NewAccount(role, name, f"hash-{name}", **values)
        async with self.deps.transaction("system") as connection:
            await accounts_db.insert_account(connection, new)


@pytest.fixture
def config(database: TestDatabase, tmp_path: Path) -> Config:
    return Config(
        database=Database(dsn=database.app_dsn),
        spool=Spool(directory=str(tmp_path / "spool")),
        server=Server(public_url="https://tdt.example"),
        mail=settings(free_port()),
    )


@pytest.fixture
async def office(config: Config) -> AsyncIterator[Office]:
    async with open_deps(config) as deps:
        office = Office(deps, await make_authority(deps))
        office.deps = replace(deps, now=office.now)
        await office.add(Role.ADM, "adm")
        await office.add(Role.USER, "logiciel", certificate_not_after=utc_now() + timedelta(days=25), subject_dn="CN=l")
        yield office


EXPECTED = {
    ("account.ending", 30, "logiciel@a.example"),
    ("account.ending", 30, "adm@a.example"),
    ("account.ending", 30, OPERATOR),
}


async def test_planned_twice_is_announced_once_to_each(office: Office) -> None:
    assert await office.plan() == 3
    assert await office.plan() == 0
    assert await office.told() == EXPECTED
    jobs = await office.fetch("select kind, authority_id from job order by id")
    assert {(job["kind"], job["authority_id"]) for job in jobs} == {
        ("notice.send", office.authority),
        ("notice.send", None),
    }
    # renewed: the certificate, hence its key, is another one
    await office.execute("update account set certificate_hash = 'new' where email like 'logiciel@%'")
    assert await office.plan() == 3
    office.offset = timedelta(days=19)
    assert await office.plan() == 3
    office.offset = timedelta(days=40)
    assert await office.plan() == 0, "ended: too late to announce"


async def test_only_who_is_in_play_is_announced(office: Office) -> None:
    for change, back in (
        ("update account set status = 0 where email like 'logiciel@%'", "update account set status = 1"),
        ("update authority set status = 0", "update authority set status = 1"),
    ):
        await office.execute(change)
        assert await office.plan() == 0
        await office.execute(back)
    # without an administrator who can be reached: the collectivité itself; one certificate, two accounts: one notice
    await office.execute("update account set email = '' where role = 'ADM'")
    await office.execute("update authority set email = 'mairie@a.example'")
    await office.add(Role.GADM, "groupe", authority_id=None, certificate_not_after=utc_now() + timedelta(days=25))
    await office.execute("update account set certificate_hash = 'hash-logiciel', login = 'g' where role = 'GADM'")
    assert await office.plan() == 4
    bodies = {row["recipient"]: row["body"] for row in await office.fetch("select recipient, body from notice")}
    assert set(bodies) == {"logiciel@a.example", "mairie@a.example", "groupe@a.example", OPERATOR}
    assert "    - groupe\n" not in bodies["logiciel@a.example"], "an account of somebody else"
    assert "    - groupe\n" in bodies[OPERATOR]
    assert "    - logiciel (Commune d'essai)\n" in bodies[OPERATOR]


async def test_several_at_once_plan_and_send_each_notice_once(office: Office) -> None:
    counts = await asyncio.gather(*(office.plan() for _ in range(4)))
    assert sum(counts) == 3
    ids = [NoticeId(row["id"]) for row in await office.fetch("select id from notice")]
    async with mail_host(port=office.deps.config.mail.port) as host:
        await asyncio.gather(*(notices.send(office.deps, one) for one in ids * 3))
    assert sorted(host.recipients) == sorted(recipient for _, _, recipient in EXPECTED)
    await notices.send(office.deps, NoticeId(0))


async def test_down_then_up_and_a_recipient_refused_blocks_nobody(office: Office, config: Config) -> None:
    """A real worker: it plans by itself, waits for the server, and sets aside what is refused for good."""

    async def tried() -> bool:
        rows = await office.fetch("select 1 from job where kind = 'notice.send' and last_error = 'INDISPONIBLE'")
        return len(rows) == 3

    async def settled() -> bool:
        rows = await office.fetch("select state from job where kind = 'notice.send'")
        return [row["state"] for row in rows] == ["dead"]

    fast = Worker(poll_seconds=0.2, heartbeat_seconds=0.2, dead_after_seconds=0.8)
    async with working(msgspec.structs.replace(config, worker=fast)) as metrics:
        await until(tried, "all three were tried")
        async with mail_host(port=config.mail.port) as host:
            host.answers["adm@a.example"] = "550 User unknown"
            await until(settled, "two sent, one set aside")
        shown = metrics.render().decode()
    assert sorted(host.recipients) == [OPERATOR, "logiciel@a.example"]
    [dead] = await office.fetch("select last_error from job")
    assert dead["last_error"] == "Serveur de courrier (SMTP) : destinataire ou message refusé (550)"
    sent = await office.fetch("select recipient from notice where sent_at is not null order by recipient")
    assert [row["recipient"] for row in sent] == sorted(host.recipients)
    assert 'tdt_certificate_days_left{kind="account",name="first to end"} 25.0' in shown


async def test_a_crash_after_the_server_took_it_sends_it_again_under_the_same_name(
    office: Office, database: TestDatabase
) -> None:
    await office.plan()
    [row] = await office.fetch("select id from notice where recipient = $1", OPERATOR)
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(
        "create function broken() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
    )
    await owner.execute("create trigger broken before update on notice for each row execute function broken()")
    async with mail_host(port=office.deps.config.mail.port) as host:
        with pytest.raises(asyncpg.RaiseError):
            await notices.send(office.deps, row["id"])
        await owner.execute("drop trigger broken on notice")
        await notices.send(office.deps, row["id"])
        await notices.send(office.deps, row["id"])
    await owner.close()
    first, second = (message for _, message in host.taken)
    assert first["Message-ID"] == second["Message-ID"]


async def test_without_a_mail_server_the_log_is_told_once_a_day(office: Office, config: Config) -> None:
    silent = replace(office.deps, mailer=Mailer(Mail()), config=msgspec.structs.replace(config, mail=Mail()))
    told: date | None = None
    events = []
    for days in (0, 0, 1):
        office.offset = timedelta(days=days)
        with structlog.testing.capture_logs() as logs:
            told = await look_at_certificates(silent, WorkerMetrics(), told)
        events.append([(log["event"], log["ending"], log["days"], log["count"], log["subjects"]) for log in logs])
    once = [("notices.no_mail", Kind.ACCOUNT, 30, 1, ["account:hash-logiciel"])]
    assert events == [once, [], once]
    assert await office.fetch("select 1 from notice union all select 1 from job") == []


async def test_the_end_of_a_convention_is_announced_until_an_avenant_moves_it(office: Office) -> None:
    await office.execute("update account set certificate_not_after = null")
    today = paris_date(office.now())
    await office.execute(
        """insert into convention (authority_id, module, reference, state_party, signed_on, starts_on, ends_on)
        values ($1, 'actes', 'C-2024', 'Préfecture de la Loire', $2, $2, $3)""",
        office.authority,
        today - timedelta(days=700),
        today + timedelta(days=55),
    )
    assert await office.plan() == 2
    assert await office.told() == {("convention.ending", 60, "adm@a.example"), ("convention.ending", 60, OPERATOR)}
    [row] = await office.fetch("select title, body from notice where recipient = 'adm@a.example'")
    assert "C-2024 (ACTES, Préfecture de la Loire)" in row["title"]
    assert "Commune d'essai" in row["body"]
    office.offset = timedelta(days=30)
    await office.execute(
        """insert into convention_avenant (convention_id, authority_id, reference, signed_on, effective_on, ends_on)
        select id, authority_id, 'A1', $1, $1, $2 from convention""",
        today,
        today + timedelta(days=55 + 365),
    )
    assert await office.plan() == 0
    office.offset = timedelta(days=55 + 365 - 10)
    assert await office.plan() == 2, "another end: announced anew"
    await office.execute("update authority set closes_on = current_date")
    office.offset = timedelta(days=55 + 365 - 2)
    assert await office.plan() == 0, "closed: nothing is transmitted any more"
