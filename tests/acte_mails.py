"""A collectivité whose actes are told by e-mail, on a real Postgres and a real mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from tdt.config import Config
from tdt.db import accounts as accounts_db
from tdt.db import actes as db
from tdt.db import deposits
from tdt.db.authorities import NewAuthority, insert_authority
from tdt.db.content import insert_small
from tdt.deps import Deps, open_deps, utc_now
from tdt.domain.actes.model import ActeStatus
from tdt.domain.authorities import Role
from tdt.domain.ids import AccountId, ActeId, ActeMailId, AuthorityId, RouteId
from tdt.flows import actes_documents
from tests.pdf_files import PDF

OWNER, DEFAULT, GIVEN = "agent@a.example", "secretariat@a.example", "presse@b.example"
AR = b"<AR/>"
ANNEX = b"%PDF-1.4 illisible"
"""A PDF that no stamp can be put on."""


@dataclass(slots=True)
class Desk:
    """A collectivité with an agent and a default list, and a clock that can be moved."""

    deps: Deps
    authority: AuthorityId
    account: AccountId
    route: RouteId
    offset: timedelta = timedelta(0)
    deposited: int = 0

    def now(self) -> datetime:
        return utc_now() + self.offset

    async def fetch(self, query: str, *values: object) -> list[Any]:
        async with self.deps.transaction("system") as connection:
            return await connection.fetch(query, *values)

    async def add_account(self, email: str, role: Role = Role.USER, **others: Any) -> AccountId:
        values: dict[str, Any] = {"authority_id": self.authority, "email": email} | others
        new = accounts_db.NewAccount(role, email.partition("@")[0], f"hash-{email}-{self.authority}", **values)
        async with self.deps.transaction("system") as connection:
            return await accounts_db.insert_account(connection, new)

    async def deposit(self, given: str = "", send_sources: bool = False, **others: Any) -> db.Acte:
        """An act that was transmitted."""
        self.deposited += 1
        number = f"2027_{self.deposited:04}"
        values: dict[str, Any] = {
            "number": number,
            "nature_code": 1,
            "classif": (3, 1),
            "subject": "Vente d'une parcelle",
            "decision_date": date(2027, 1, 30),
            "unique_id": f"034-123456782-20270130-{number}-DE",
            "broadcast_emails": given,
            "send_sources": send_sources,
        }
        new = deposits.NewActe(1, ActeStatus.TRANSMIS, "Transmis au MI", "test", None, **(values | others))
        name = f"{self.authority}-{self.deposited}"
        envelope = deposits.NewEnvelope(self.authority, self.account, self.route, name, name, date(2027, 1, 30))
        async with self.deps.transaction("system") as connection:
            contents = [await insert_small(connection, self.authority, data) for data in (b"<m/>", PDF, ANNEX)]
            files = [
                deposits.NewFile(0, "m_0.xml", "m_0.xml", "application/xml", 4, "", "", contents[0]),
                deposits.NewFile(1, "99_DE_1.pdf", "a.pdf", "application/pdf", len(PDF), "99_DE", "", contents[1]),
                deposits.NewFile(2, "31_DP_2.pdf", "b.pdf", "application/pdf", len(ANNEX), "31_DP", "", contents[2]),
            ]
            acte = await deposits.insert_deposit(connection, envelope, new, files)
            assert acte is not None
        return await self.get(acte)

    async def get(self, acte: ActeId) -> db.Acte:
        async with self.deps.transaction("system") as connection:
            found = await db.get_transaction(connection, acte)
        assert found is not None
        return found

    async def move(self, acte: db.Acte, target: ActeStatus = ActeStatus.ACQUITTEMENT_RECU) -> None:
        async with self.deps.transaction("system") as connection:
            flux = await insert_small(connection, self.authority, AR)
            await db.move_status(connection, acte, db.Move(acte.status, target, "Reçu par le MI le 2027-01-31", flux))

    async def mails(self) -> list[ActeMailId]:
        return [ActeMailId(row["id"]) for row in await self.fetch("select id from acte_mail order by id")]

    async def send_all(self) -> None:
        for mail in await self.mails():
            await actes_documents.send(self.deps, mail)

    async def told(self) -> list[tuple[str, str, str]]:
        """(address, why, how) in the order in which they were noted."""
        rows = await self.fetch("select recipient, reason, mode from acte_notification order by id")
        return [(row["recipient"], row["reason"], row["mode"]) for row in rows]


@asynccontextmanager
async def open_desk(config: Config, siren: str = "123456782") -> AsyncIterator[Desk]:
    async with open_deps(config) as deps:
        async with deps.transaction("system") as connection:
            new = NewAuthority("Commune d'essai", siren, 31, "034", "3")
            authority = await insert_authority(connection, new)
            await connection.execute(
                "update authority set default_broadcast_email = $2 where id = $1", authority, DEFAULT
            )
            route = await connection.fetchval(
                "insert into route (kind, transport, name) values ('actes', 'https', $1) returning id",
                siren,
            )
        desk = Desk(deps, authority, AccountId(0), RouteId(route))
        desk.deps = replace(deps, now=desk.now)
        desk.account = await desk.add_account(OWNER)
        yield desk
