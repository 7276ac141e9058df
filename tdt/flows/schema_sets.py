"""Install the DGFiP's sets of schemas, put them in force and out of it: every worker follows at its next flow."""

from collections.abc import Mapping
from datetime import date

from tdt.db import schema_sets as db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.child import ChildFailed
from tdt.documents.schema_archive import CODE, digest, pack
from tdt.documents.schemas import COMPILE_SET, SetOrder
from tdt.domain.audit import Actor
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Conflict, Refused
from tdt.domain.helios.schema_sets import MOST_ACTIVE, NAME, Period, SchemaSet
from tdt.domain.ids import SchemaSetId

UNKNOWN = "Aucun jeu de schémas ne porte ce nom : « tdt schemas list » donne ceux qui sont installés."
BAD_NAME = "Donnez un nom au jeu de schémas avec --name : la version de la DGFiP, par exemple 5.30."
NAME_TAKEN = "Un jeu de schémas porte déjà ce nom : choisissez-en un autre avec --name, ou retirez-le d'abord."
SAME = "Ces schémas sont déjà installés, sous un autre nom : « tdt schemas list » les donne."
TOO_MUCH = "Jeu de schémas refusé : le compiler prend trop de temps ou de mémoire."
ALREADY = "Ce jeu de schémas est déjà en vigueur, ou le sera : « tdt schemas show » donne ses dates."
NOT_ACTIVE = "Ce jeu de schémas n'est pas en vigueur à cette date."
STILL_ACTIVE = "Ce jeu de schémas est en vigueur, ou le sera : désactivez-le d'abord."
TOO_MANY = f"{MOST_ACTIVE} jeux de schémas sont déjà en vigueur : désactivez les anciens."
IN_THE_PAST = "Un jeu de schémas n'entre pas en vigueur dans le passé : la date doit être aujourd'hui ou plus tard."


async def add(deps: Deps, by: Actor, name: str, files: Mapping[str, bytes]) -> SchemaSetId:
    """Install a set. It judges nothing before it is put in force. Raises Refused."""
    if not NAME.fullmatch(name):
        raise Refused(BAD_NAME)
    archive = pack(files)
    roots = await _compile(deps, archive)
    size = sum(map(len, files.values()))
    new = SchemaSet(SchemaSetId(0), name, digest(files), len(files), size, roots, deps.now(), ())
    try:
        async with deps.acting(by) as connection:
            number = await db.insert_set(connection, new, archive)
            after = {"name": name, "sha256": new.sha256.hex(), "files": new.files, "bytes": new.bytes}
            await insert_change(connection, by, ("schemas:add", number, None), {}, after)
    except Conflict as error:
        raise Refused(NAME_TAKEN if error.details.get("constraint") == "schema_set_name_key" else SAME) from error
    return number


async def _compile(deps: Deps, archive: bytes) -> Mapping[str, str]:
    with deps.scratch() as scratch:
        await scratch.write(archive)
        try:
            return (await deps.children.run(COMPILE_SET, SetOrder(), [scratch.descriptor])).roots
        except ChildFailed as failure:
            raise Refused(TOO_MUCH, code=CODE) from failure


async def activate(deps: Deps, by: Actor, name: str, since: date | None, until: date | None = None) -> None:
    """Put a set in force from a day on (today), to a last day if one is given. Raises Refused."""
    today = paris_date(deps.now())
    begin = since or today
    if begin < today:
        raise Refused(IN_THE_PAST)
    if until is not None and until < begin:
        raise Refused(NOT_ACTIVE)
    async with deps.acting(by) as connection:
        found = await _take(connection, name)
        if any(period.valid_to is None or period.valid_to > begin for period in found.periods):
            raise Refused(ALREADY)
        if sum(one.is_active(begin) for one in await db.list_sets(connection)) >= MOST_ACTIVE:
            raise Refused(TOO_MANY)
        end = date.fromordinal(until.toordinal() + 1) if until is not None else None
        await db.insert_period(connection, found.id, Period(begin, end))
        await _tell(connection, by, "schemas:activate", found)


async def deactivate(deps: Deps, by: Actor, name: str, since: date | None) -> None:
    """Put a set out of force from a day on (today). Raises Refused."""
    today = paris_date(deps.now())
    end = since or today
    if end < today:
        raise Refused(IN_THE_PAST)
    async with deps.acting(by) as connection:
        found = await _take(connection, name)
        if not any(period.valid_to is None or period.valid_to > end for period in found.periods):
            raise Refused(NOT_ACTIVE)
        await db.move_periods(connection, found.id, end)
        await _tell(connection, by, "schemas:deactivate", found)


async def remove(deps: Deps, by: Actor, name: str) -> None:
    """Take away a set that is not in force. Reports made with it stay. Raises Refused."""
    today = paris_date(deps.now())
    async with deps.acting(by) as connection:
        found = await _take(connection, name)
        if any(period.valid_to is None or period.valid_to > today for period in found.periods):
            raise Refused(STILL_ACTIVE)
        await db.delete_set(connection, found.id)
        before = {"name": found.name, "sha256": found.sha256.hex(), "periods": _periods(found)}
        await insert_change(connection, by, ("schemas:remove", found.id, None), before, {})


async def _take(connection: Connection, name: str) -> SchemaSet:
    found = await db.find_set(connection, name)
    if found is None:
        raise Refused(UNKNOWN)
    return found


async def _tell(connection: Connection, by: Actor, what: str, before: SchemaSet) -> None:
    """The audit of periods that changed."""
    after = await _take(connection, before.name)
    change = ({"periods": _periods(before)}, {"periods": _periods(after)})
    await insert_change(connection, by, (what, before.id, None), *change)


def _periods(one: SchemaSet) -> list[str]:
    return [period.text() for period in one.periods]
