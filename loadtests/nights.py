"""Balances of a night with 5,000 collectivités and a million flows: the first, which reads every flow, and the next.

The flows were taken over from elsewhere, but those of two past days, whose life, attempts and answers are made too.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta

import asyncpg

from loadtests.processes import Program, milliseconds_since, spent
from loadtests.result import Outcome, Sample, Side, compare
from loadtests.seed import FIRST, First, Size, seed
from loadtests.stand import ROOT, Stand, database, environment, run_sql
from tdt.deps import utc_now
from tdt.domain.calendar import paris_date

BIG, QUICK = Size(5_000, 5_000, 1_000_000), Size(100, 100, 10_000)
SHARE = 51
"""Of the flows one in so many moves on each of the two days: with a million, 19,600. Odd: actes and PES take turns."""
MINUTES = 60.0
"""A night's work, of the three hours of `balances.spread_hours`."""

FLOWS = f"""
    create temp table moved as
    select n, authority_id, {{start}}::timestamptz + make_interval(secs => n % 50000) as at, kind, route, status,
        number, sent_as
    from (
        select id - {FIRST} as n, authority_id, 'acte_transaction' as kind, status, unique_id as number,
            'acte_envelope' as sent_as, (select min(id) from route where kind = 'actes') as route
        from acte_transaction where id >= {FIRST}
        union all
        select id - {FIRST}, authority_id, 'helios_transaction', status, xml_nomfic, 'helios_transaction', route_id
        from helios_transaction where id >= {FIRST}
    ) one
    -- spread over the collectivités, as a day is
    where n % {{share}} = {{rest}};

    update acte_transaction t set origin = 'tdt' from moved m
    where m.kind = 'acte_transaction' and t.id = {FIRST} + m.n;
    update helios_transaction t set origin = 'tdt' from moved m
    where m.kind = 'helios_transaction' and t.id = {FIRST} + m.n;

    create temp table step as
    select m.*, s.place, s.life[s.place - 1] as source, s.life[s.place] as target,
        m.at + make_interval(secs => 10 * s.place) as on_time
    from moved m
    cross join lateral (select case m.status when -1 then array[1, -1] when 1 then array[1] when 3 then array[1, 2, 3]
        else array[1, 2, 3, m.status] end as life) l
    cross join lateral (select place, l.life from generate_subscripts(l.life, 1) place) s;

    insert into event (authority_id, object_kind, object_id, from_status, to_status, at)
    select authority_id, kind, {FIRST} + n, source, target, on_time from step;

    insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, started_at, ended_at,
        outcome)
    select authority_id, route, sent_as, {FIRST} + n, number, sha256(n::text::bytea), 1, on_time, on_time, 'accepted'
    from step where target = 3;

    insert into received (authority_id, route_id, remote_key, name, content_id, state, kind, detail, received_at,
        handled_at, helios_id)
    select authority_id, route, 'seed/' || n, 'seed', {FIRST} + 3::bigint * n, 'handled',
        case kind when 'acte_transaction' then '1-2' else 'PES_ACQUIT' end, number, on_time, on_time,
        case kind when 'helios_transaction' then {FIRST} + n end
    from step where target in (4, 8);

    drop table step, moved;"""


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """Once each, by one process: workers share them."""
    size = QUICK if quick else BIG
    today = paris_date(utc_now())
    days = [today - timedelta(days=3), today - timedelta(days=2)]
    with database(stand) as base:
        asyncio.run(_seed(stand, size, days))
        first, later = (_night(stand, base, day) for day in days)
        [kept] = run_sql(stand, "select count(*) as number, bool_and(balanced) as balanced from balance")
    assert kept["number"] >= size.authorities and kept["balanced"], dict(kept)
    sides = Side("a later night", [later]), Side("the first night", [first])
    note = f"{size}, {size.transactions // SHARE} flows that day; {kept['number']} balances in all"
    told = compare("balances of a night", "min", sides, None, note=note)
    yield Outcome(told.scenario, "min", *sides, told.ratios, MINUTES, at_least=False, note=note, of_value=True)


async def _seed(stand: Stand, size: Size, days: list[date]) -> None:
    connection = await asyncpg.connect(stand.cluster.dsn("postgres"))
    try:
        row = await connection.fetchrow(
            """select u.authority_id, m.group_id from account u
            join authority_membership m using (authority_id) where u.login = 'system'"""
        )
        await seed(connection, size, First(row[0], row[1]))
        await connection.execute("update acte_transaction set origin = 's2low' where id >= $1", FIRST)
        await connection.execute("update helios_transaction set origin = 's2low' where id >= $1", FIRST)
        for rest, day in enumerate(days):
            await connection.execute(FLOWS.format(start=f"'{day} 06:00:00+00'", share=SHARE, rest=rest))
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def _night(stand: Stand, base: Program, day: date) -> Sample:
    """Minutes; of the database, milliseconds of CPU for one collectivité."""
    [house] = run_sql(stand, "select count(*) as number from authority")
    before, started = spent({"postgres": base}), time.monotonic()
    command = ["reconcile", "--config", str(stand.directory / "tdt.toml"), "--day", day.isoformat(), "--json"]
    with stand.log("reconcile").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "tdt", *command], check=True, stdout=log, stderr=log, env=environment(), cwd=ROOT
        )
    minutes = (time.monotonic() - started) / 60
    print(f"    {day}: {minutes:.2f} min", flush=True)
    return Sample(minutes, milliseconds_since(before, {"postgres": base}, house["number"]))
