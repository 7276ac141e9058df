"""Whose what the State sent back seems to be, for its turn alone: one query for a batch, in scope `system`."""

from collections.abc import Sequence

from tdt.db.pool import Connection, Record
from tdt.domain.ids import AuthorityId
from tdt.domain.turns import Known, Look

OF_ACTS = """
    select true as awaits, unique_id as clue, authority_id from acte_transaction
    where unique_id = any($1) and status in (2, 3)
    union all
    select false, siren, id from authority where siren = any($2) and purged_at is null"""
"""At 2: the answer to a sending in doubt, or that is quicker than its commit."""


async def list_of_acts(connection: Connection, looks: Sequence[Look]) -> Known:
    """By the acts and messages that have left and await their answer, and by SIREN."""
    return _known(await connection.fetch(OF_ACTS, *_clues(looks)))


# a NomFic may be that of many flows, and of several collectivités: then it says nothing
OF_FLOWS = """
    select true as awaits, clue, f.authority_id from unnest($1::text[]) clue, lateral (
        select min(t.authority_id) as authority_id from (
            select authority_id, status from helios_transaction
            where xml_nomfic = clue and transmitted_name is not null limit 100) t
        where t.status in (2, 3) having count(distinct t.authority_id) = 1) f
    union all
    select false, siret, min(authority_id) from authority_siret
    where siret = any($2) and not blocked group by siret having count(*) = 1"""


async def list_of_flows(connection: Connection, looks: Sequence[Look]) -> Known:
    """By the flows that have left and await their acquit, and by SIRET."""
    return _known(await connection.fetch(OF_FLOWS, *_clues(looks)))


def _clues(looks: Sequence[Look]) -> tuple[list[str], list[str]]:
    return [one for look in looks for one in look.answers], [one for look in looks for one in look.owners]


def _known(rows: Sequence[Record]) -> Known:
    awaiting, named = (
        {row["clue"]: AuthorityId(row["authority_id"]) for row in rows if row["awaits"] is awaits}
        for awaits in (True, False)
    )
    return Known(awaiting, named)
