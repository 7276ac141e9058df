"""Mails about the actes on a real Postgres and a real mail server: each address once for each event, whatever fails."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
import structlog

from tdt.config import Config, Database, Mail, Server, Spool, Worker
from tdt.db import actes as db
from tdt.db.acte_notifications import record_notifications
from tdt.deps import utc_now
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Role
from tdt.domain.errors import Conflict, Temporary, Uncertain
from tdt.flows import actes_documents, notification_wishes
from tests.acte_mails import ANNEX, AR, DEFAULT, GIVEN, OWNER, Desk, open_desk
from tests.doorbells import until, working
from tests.pdf_files import PDF
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import mail_host, settings

FAST = Worker(poll_seconds=0.2, heartbeat_seconds=0.2, dead_after_seconds=0.8)


@pytest.fixture
def config(database: TestDatabase, tmp_path: Path) -> Config:
    return Config(
        database=Database(dsn=database.app_dsn),
        spool=Spool(directory=str(tmp_path / "spool")),
        server=Server(public_url="https://tdt.example"),
        mail=settings(free_port()),
        worker=FAST,
    )


@pytest.fixture
async def desk(config: Config) -> AsyncIterator[Desk]:
    async with open_desk(config) as desk:
        yield desk


def read_text(pdf: bytes) -> str:
    """What a reader sees, by poppler."""
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def text_of(message: EmailMessage) -> str:
    """The body of a mail, on one line."""
    body = message.get_body()
    assert body is not None
    return " ".join(body.get_content().split())


async def test_the_owner_the_default_list_and_the_addresses_of_the_deposit_each_with_their_files(desk: Desk) -> None:
    acte = await desk.deposit(f"{GIVEN},pas une adresse,{DEFAULT}", send_sources=True)
    await desk.move(acte)
    assert await desk.told() == [
        (OWNER, "owner", "immediate"),
        (DEFAULT, "authority", "immediate"),
        (GIVEN, "deposit", "immediate"),
    ]
    async with mail_host(port=desk.deps.config.mail.port) as host:
        await desk.send_all()
    assert host.recipients == [OWNER, DEFAULT, GIVEN]
    proofs = [f"{acte.unique_id}-1-{acte.id}-reponse.xml", "bordereau_acquittement.pdf"]
    documents = ["99_DE_1.pdf", "31_DP_2.pdf"]
    files = [{str(one.get_filename()): one.get_content() for one in mail.iter_attachments()} for _, mail in host.taken]
    assert [list(one) for one in files] == [proofs, proofs + documents, proofs + documents]
    assert files[0][proofs[0]] == AR
    assert "Acquittement reçu" in read_text(files[0][proofs[1]])
    stamped = read_text(files[1]["99_DE_1.pdf"])
    assert str(acte.unique_id) in stamped and str(acte.unique_id) not in read_text(PDF)
    assert files[1]["31_DP_2.pdf"] == ANNEX
    bodies = [text_of(mail) for _, mail in host.taken]
    assert ["Joint sans tampon, qui n'a pas pu être apposé : 31_DP_2.pdf." in body for body in bodies] == [
        False,
        True,
        True,
    ]
    subjects = {message["Subject"] for _, message in host.taken}
    assert subjects == {f"[Commune d'essai] acte {acte.number} : reçu par la préfecture"}


async def test_without_send_sources_or_above_the_limit_the_files_stay(desk: Desk) -> None:
    await desk.move(await desk.deposit(GIVEN))
    small = msgspec.structs.replace(desk.deps.config.mail, attachment_bytes=len(PDF))
    desk.deps = replace(desk.deps, config=msgspec.structs.replace(desk.deps.config, mail=small))
    async with mail_host(port=small.port) as host:
        await desk.send_all()
    assert [len(list(message.iter_attachments())) for _, message in host.taken] == [2, 2, 2]
    bodies = [text_of(message) for _, message in host.taken]
    assert ["ne sont pas joints" in body for body in bodies] == [False, True, False]


@pytest.mark.parametrize("status", [4, -1])
async def test_told_with_the_status_or_not_at_all_and_once(desk: Desk, status: int) -> None:
    acte = await desk.deposit()
    with pytest.raises(RuntimeError):
        async with desk.deps.transaction("system") as connection:
            await db.move_status(connection, acte, db.Move(acte.status, ActeStatus(status), "…"))
            raise RuntimeError
    assert await desk.told() == []
    assert await desk.fetch("select 1 from job") == []
    await desk.move(acte, ActeStatus(status))
    with pytest.raises(Conflict):
        await desk.move(acte, ActeStatus(status))
    async with desk.deps.transaction("system") as connection:
        assert await record_notifications(connection, acte.id, ActeStatus(status)) == 0
    assert len(await desk.told()) == 2
    jobs = await desk.fetch("select kind, authority_id, object_id from job")
    assert [tuple(job) for job in jobs] == [("acte.notify", desk.authority, mail) for mail in await desk.mails()]


async def test_what_is_not_told(desk: Desk, config: Config) -> None:
    acte = await desk.deposit()
    async with desk.deps.transaction("system") as connection:
        for status in set(ActeStatus) - {-1, 4, 7, 8, 11, 21}:
            assert await record_notifications(connection, acte.id, ActeStatus(status)) == 0
    await desk.fetch("update account set status = 0 where id = $1 returning 1", desk.account)
    await desk.move(acte)
    assert await desk.told() == [(DEFAULT, "authority", "immediate")], "a suspended owner is told nothing"
    async with open_desk(msgspec.structs.replace(config, mail=Mail()), siren="200000008") as silent:
        await silent.move(await silent.deposit())
        assert await silent.fetch("select 1 from acte_notification where authority_id = $1", silent.authority) == []


async def test_several_workers_at_once_send_each_mail_once(desk: Desk) -> None:
    for _ in range(5):
        await desk.move(await desk.deposit())
    mails = await desk.mails()
    async with mail_host(port=desk.deps.config.mail.port) as host:
        await asyncio.gather(*(actes_documents.send(desk.deps, mail) for mail in mails * 3))
    assert sorted(host.recipients) == sorted([OWNER, DEFAULT] * 5)
    assert len({message["Message-ID"] for _, message in host.taken}) == 10


async def test_a_server_that_is_down_is_waited_for(desk: Desk, config: Config) -> None:
    await desk.move(await desk.deposit())

    async def tried() -> bool:
        return len(await desk.fetch("select 1 from job where last_error = 'INDISPONIBLE'")) == 2

    async def over() -> bool:
        return await desk.fetch("select 1 from job") == []

    async with working(config):
        await until(tried, "both were tried")
        assert [row["sending_at"] for row in await desk.fetch("select sending_at from acte_mail")] == [None, None]
        async with mail_host(port=config.mail.port) as host:
            await until(over, "both were sent")
    assert sorted(host.recipients) == [OWNER, DEFAULT]


async def test_a_crash_after_the_server_took_it_sends_it_again_under_the_same_name(
    desk: Desk, database: TestDatabase
) -> None:
    await desk.move(await desk.deposit())
    mail = (await desk.mails())[0]
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(
        "create function broken() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
    )
    await owner.execute(
        "create trigger broken before update on acte_mail for each row when (new.sent_at is not null) "
        "execute function broken()"
    )
    async with mail_host(port=desk.deps.config.mail.port) as host:
        with pytest.raises(asyncpg.RaiseError):
            await actes_documents.send(desk.deps, mail)
        [row] = await desk.fetch("select sending_at, sent_at from acte_mail where id = $1", mail)
        assert row["sending_at"] is not None, "known to have perhaps left"
        assert row["sent_at"] is None
        await owner.execute("drop trigger broken on acte_mail")
        with structlog.testing.capture_logs() as logs:
            await actes_documents.send(desk.deps, mail)
        await actes_documents.send(desk.deps, mail)
    await owner.close()
    first, second = (message for _, message in host.taken)
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_body().get_content() == second.get_body().get_content()  # type: ignore[union-attr]
    assert [log["event"] for log in logs] == ["acte_notification.sent_again"]


async def test_a_connection_cut_on_the_way_is_in_doubt_a_plain_no_is_not(desk: Desk) -> None:
    await desk.move(await desk.deposit())
    mail = (await desk.mails())[0]

    async def doubtful() -> bool:
        [row] = await desk.fetch("select sending_at from acte_mail where id = $1", mail)
        return row["sending_at"] is not None

    async with mail_host(port=desk.deps.config.mail.port) as host:
        host.data_answer = "452 Full"
        with pytest.raises(Temporary):
            await actes_documents.send(desk.deps, mail)
        assert not await doubtful()
        host.data_answer, host.cut_after_data = "", True
        with pytest.raises(Uncertain):
            await actes_documents.send(desk.deps, mail)
        assert await doubtful()
        host.cut_after_data, host.data_answer = False, "452 Full"
        with pytest.raises(Temporary):
            await actes_documents.send(desk.deps, mail)
        assert await doubtful(), "the no to the second try says nothing of the first"


async def test_an_address_refused_for_good_is_set_aside_told_once_and_blocks_nobody(desk: Desk) -> None:
    await desk.add_account("adm@a.example", Role.ADM)
    for _ in range(2):
        await desk.move(await desk.deposit())
    async with mail_host(port=desk.deps.config.mail.port) as host:
        host.answers[OWNER] = "550 5.1.1 User unknown"
        await desk.send_all()
        await desk.move(await desk.deposit())
        host.answers.clear()
        await desk.send_all()
    assert host.recipients == [DEFAULT] * 3, "nothing is tried on an address that was refused"
    assert (await desk.told())[-2:] == [(OWNER, "owner", "refused"), (DEFAULT, "authority", "immediate")]
    refused = await desk.fetch("select refused from acte_mail where recipient = $1", OWNER)
    assert [row["refused"] for row in refused] == ["550 5.1.1 User unknown"] * 2
    notices = await desk.fetch("select recipient, title, body from notice order by recipient")
    assert [row["recipient"] for row in notices] == ["adm@a.example", "exploitant@tdt.example"]
    assert {row["title"] for row in notices} == {f"Adresse électronique refusée : {OWNER}"}
    assert "550 5.1.1 User unknown" in " ".join(notices[0]["body"].split())


async def test_an_address_tried_again_is_told_once_what_it_missed(desk: Desk) -> None:
    missed = [await desk.deposit() for _ in range(3)]
    await desk.move(missed[0])
    async with mail_host(port=desk.deps.config.mail.port) as host:
        host.answers[OWNER] = "550 5.7.1 Relaying denied"
        await desk.send_all()
        await desk.move(missed[1])
        host.answers.clear()
        assert await notification_wishes.retry_all(desk.deps, Actor(Source.CLI, None, "test")) == 1
        await desk.move(missed[2])
        at_paris(desk, 1, 8)
        assert await actes_documents.plan_digests(desk.deps) == 1
        for _ in range(2):
            await desk.send_all()
    to_owner = [message for to, message in host.taken if to == OWNER]
    assert len(to_owner) == 2
    digest = next(text_of(message) for message in to_owner if "événements" in message["Subject"])
    assert [str(acte.number) in digest for acte in missed] == [True, True, False]
    [row] = await desk.fetch("select data from audit where tag = 'cli:authority:mail-retry'")
    assert row["data"]["before"] == {"refused": f"{OWNER} : 550 5.7.1 Relaying denied"}
    assert await notification_wishes.retry_all(desk.deps, Actor(Source.CLI, None, "test")) == 0


async def test_a_message_refused_for_good_does_not_condemn_its_address(desk: Desk) -> None:
    await desk.move(await desk.deposit())
    async with mail_host(port=desk.deps.config.mail.port) as host:
        host.data_answer = "554 Spam"
        await desk.send_all()
        host.data_answer = ""
        await desk.send_all()
        await desk.move(await desk.deposit())
        await desk.send_all()
    assert host.recipients == [OWNER, DEFAULT]
    assert await desk.fetch("select 1 from mail_refusal union all select 1 from notice") == []


async def test_thousands_of_mails_do_not_delay_the_rest(desk: Desk, config: Config) -> None:
    """A mail server that hangs, and mails that wait for it: another job, added after them, is done at once."""
    acte = await desk.deposit()
    await desk.fetch(
        """with mails as (insert into acte_mail (authority_id, recipient)
            select $1, 'n' || n || '@a.example' from generate_series(1, 4000) n returning id)
        insert into job (kind, authority_id, object_id) select 'acte.notify', $1, id from mails returning 1""",
        desk.authority,
    )
    await desk.fetch(
        """insert into acte_notification (authority_id, transaction_id, status, recipient, reason, mode, mail_id)
        select authority_id, $1, 4, recipient, 'deposit', 'immediate', id from acte_mail returning 1""",
        acte.id,
    )
    # it listens and never says anything
    with socket.create_server(("127.0.0.1", config.mail.port)):
        async with working(config):
            await _check_other_job(desk)


async def _check_other_job(desk: Desk) -> None:
    [row] = await desk.fetch("insert into job (kind, object_id) values ('actes.analyse', 0) returning id")

    async def analysed() -> bool:
        return await desk.fetch("select 1 from job where id = $1", row["id"]) == []

    await until(analysed, "the other job was done", seconds=4)
    assert len(await desk.fetch("select 1 from job where kind = 'acte.notify'")) == 4000


PARIS = ZoneInfo("Europe/Paris")


def at_paris(desk: Desk, days: int, hour: int, minute: int = 0) -> None:
    """Move the clock to this hour of a day to come."""
    day = utc_now().astimezone(PARIS).date() + timedelta(days=days)
    desk.offset = datetime(day.year, day.month, day.day, hour, minute, tzinfo=PARIS) - utc_now()


async def wish(desk: Desk, mode: str, kind: str = "acknowledged") -> None:
    await desk.fetch(
        """insert into account_notification (account_id, authority_id, about, mode) values ($1, $2, $3, $4)
        on conflict (account_id, about) do update set mode = $4 returning 1""",
        desk.account,
        desk.authority,
        kind,
        mode,
    )


async def test_the_digest_tells_once_a_day_what_happened_and_who_wants_nothing_gets_nothing(desk: Desk) -> None:
    await wish(desk, "digest")
    await wish(desk, "none", "error")
    actes = [await desk.deposit() for _ in range(3)]
    await desk.move(actes[0])
    await desk.move(actes[1])
    await desk.move(actes[2], ActeStatus.ERREUR)
    assert [how for who, _, how in await desk.told() if who == OWNER] == ["digest", "digest", "none"]
    at_paris(desk, 1, 6, 59)
    assert await actes_documents.plan_digests(desk.deps) == 0, "not yet"
    at_paris(desk, 1, 7)
    counts = await asyncio.gather(*(actes_documents.plan_digests(desk.deps) for _ in range(4)))
    assert sum(counts) == 1
    # what happens after it waits for the digest of the next day
    await desk.move(await desk.deposit())
    at_paris(desk, 1, 23)
    assert await actes_documents.plan_digests(desk.deps) == 0
    async with mail_host(port=desk.deps.config.mail.port) as host:
        await desk.send_all()
        await desk.send_all()
        at_paris(desk, 2, 8)
        assert await actes_documents.plan_digests(desk.deps) == 1
        await desk.send_all()
        at_paris(desk, 3, 8)
        assert await actes_documents.plan_digests(desk.deps) == 0, "nothing happened"
    digests = [message.get_body().get_content() for to, message in host.taken if to == OWNER]  # type: ignore[union-attr]
    assert [body.count("reçu par la préfecture") for body in digests] == [2, 1]
    assert host.recipients.count(DEFAULT) == 4


async def test_a_digest_never_mixes_two_collectivites(desk: Desk, config: Config) -> None:
    async with open_desk(config, siren="200000008") as other:
        await other.fetch("update authority set name = 'Autre commune' where id = $1 returning 1", other.authority)
        for one in (desk, other):
            await wish(one, "digest")
            await one.move(await one.deposit())
        at_paris(desk, 1, 8)
        assert await actes_documents.plan_digests(desk.deps) == 2
        async with mail_host(port=config.mail.port) as host:
            await desk.send_all()
    subjects = sorted(message["Subject"].partition("]")[0] for to, message in host.taken if to == OWNER)
    assert subjects == ["[Autre commune", "[Commune d'essai"]
