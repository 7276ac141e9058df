"""Mails about the actes, workers being killed at the worst moment: none lost, a double only where nobody can know."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tdt.config import Config, Database, Server, Spool, Worker
from tdt.db.acte_letters import LetterFile, NewLetter, insert_letter
from tdt.db.content import insert_small
from tdt.domain.actes.model import ActeStatus
from tdt.domain.calendar import paris_date
from tests.acte_mails import DEFAULT, GIVEN, OWNER, Desk, open_desk
from tests.doorbells import until
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.programs import Program, running
from tests.smtp import MailHost, mail_host, settings

EVENTS, KILLS = 20, (3, 11, 26)


@pytest.fixture
def config(database: TestDatabase, tmp_path: Path) -> Config:
    return Config(
        database=Database(dsn=database.app_dsn),
        spool=Spool(directory=str(tmp_path / "spool")),
        server=Server(public_url="https://tdt.example"),
        mail=settings(free_port()),
        worker=Worker(
            health=f"unix:{tmp_path}/health.sock", poll_seconds=0.2, heartbeat_seconds=0.2, dead_after_seconds=0.8
        ),
    )


async def test_a_worker_killed_between_the_server_and_the_commit_loses_nothing(config: Config) -> None:
    async with open_desk(config) as desk, mail_host(port=config.mail.port) as host:
        for _ in range(EVENTS):
            await desk.move(await desk.deposit(), ActeStatus.ERREUR)
        for kill in KILLS:
            async with running("work", config) as worker:
                host.on_taken = partial(_kill_at, worker, host, kill)
                await worker.ended()
        host.on_taken = lambda: None
        async with running("work", config) as worker:
            await worker.hear("READY=1")
            await until(lambda: _is_over(desk), "everything was sent")
            worker.signal_end()
            assert await worker.ended() == 0
        sent = Counter((to, message["Subject"], message["Message-ID"]) for to, message in host.taken)
        # two kills may well fall on the same mail
        assert sum(count - 1 for count in sent.values()) == len(KILLS), "those that were taken and not known to be"
        assert len(sent) == len({(to, subject) for to, subject, _ in sent}) == 2 * EVENTS
        assert {to for to, _, _ in sent} == {OWNER, DEFAULT}
        unsent = await desk.fetch("select 1 from acte_mail where sent_at is null or sending_at is null")
        assert unsent == []


def _kill_at(worker: Program, host: MailHost, taken: int) -> None:
    if len(host.taken) == taken:
        worker.process.kill()


async def _is_over(desk: Desk) -> bool:
    return await desk.fetch("select 1 from job") == []


async def test_a_letter_is_told_with_its_deadline_but_not_to_those_the_deposit_named(config: Config) -> None:
    async with open_desk(config) as desk:
        acte = await desk.deposit(GIVEN)
        async with desk.deps.transaction("system") as connection:
            content = await insert_small(connection, desk.authority, b"<letter/>")
            today = paris_date(desk.now())
            what = (3, ActeStatus.DOCUMENT_RECU, "Reçu par le Tdt", today, "Plan du bâtiment", desk.route)
            new = NewLetter(*what, "EACT--SPREF0343-123456782-20270201-1.xml", "letter.tar.gz", content)
            file = LetterFile(0, "m.xml", "application/xml", 9, content)
            await insert_letter(connection, acte, new, [file])
        assert await desk.told() == [(OWNER, "owner", "immediate"), (DEFAULT, "authority", "immediate")]
        async with mail_host(port=config.mail.port) as host:
            await desk.send_all()
    (_, message), _ = host.taken
    assert message["Subject"].endswith(f"acte {acte.number} : demande de pièces complémentaires de la préfecture")
    body = message.get_body()
    assert body is not None
    flowed = " ".join(body.get_content().split())
    assert "La préfecture écrit : Plan du bâtiment" in flowed
    assert "au plus tard le" in flowed
    assert list(message.iter_attachments()) == []
