"""Export a collectivité: all its rows as of one instant, all its bodies, sealed; then say so in its row."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tdt.db import closing as closing_db
from tdt.db import export as db
from tdt.db.audit import insert_change
from tdt.deps import Deps
from tdt.documents.export_folder import ExportFolder
from tdt.domain import export as layout
from tdt.domain.audit import Actor
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.closing import Closing, check_exportable
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, ContentId


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that is complete: the SHA-256 of its manifest, what it holds.

    `outrun`: something came or moved while it was made, so that it will not do for a purge.
    """

    sha256: bytes
    files: int
    body_bytes: int
    counts: dict[str, int]
    outrun: bool


async def export(deps: Deps, by: Actor, authority: AuthorityId, target: Path) -> Exported:
    """Write everything that is kept of a collectivité in a folder that does not exist yet. Raises Refused.

    Cut short, it leaves no `target`; started again, it keeps the bodies that it had.
    """
    async with deps.acting(by) as connection:
        current = await closing_db.get_closing(connection, authority)
    if current is None:
        raise Refused(NOT_FOUND)
    check_exportable(current)
    folder = ExportFolder(target)
    taken_at = deps.now()
    with folder.opened():
        counts = await _write_rows(deps, folder, authority)
        body_bytes = await _write_bodies(deps, folder, authority)
        summary = _summary(current, taken_at, counts, (folder.files + 1, body_bytes))
        await folder.write(layout.README, _once(layout.build_readme(summary)))
        sha256 = folder.finish(summary)
    outrun = await _record(deps, by, authority, (taken_at, sha256, counts))
    return Exported(sha256, summary.files, body_bytes, counts, outrun)


def _summary(current: Closing, taken_at: datetime, counts: dict[str, int], sizes: tuple[int, int]) -> layout.Summary:
    closes_on = str(current.closes_on) if current.closes_on is not None else None
    return layout.Summary(current.id, current.name, current.siren, closes_on, taken_at, counts, *sizes)


async def _write_rows(deps: Deps, folder: ExportFolder, authority: AuthorityId) -> dict[str, int]:
    """One file for each table, all as of the same instant; gives how many rows each has."""
    counts = {}
    async with deps.transaction(authority) as connection:
        await db.get_instant(connection)
        for table in layout.MEANING:
            lines = _Lines(db.stream_rows(connection, table, authority), table == layout.BODY_TABLE)
            await folder.write(layout.rows_path(table), lines.chunks())
            counts[table] = lines.count
    return counts


class _Lines:
    """Rows on their way to a file, counted; those of bodies learn where their bytes will be."""

    def __init__(self, rows: AsyncIterator[str], bodies: bool):
        self.count = 0
        self._rows = rows
        self._bodies = bodies

    async def chunks(self) -> AsyncIterator[bytes]:
        async for line in self._rows:
            self.count += 1
            yield (self._placed(line) if self._bodies else line).encode() + b"\n"

    def _placed(self, line: str) -> str:
        row = json.loads(line)
        return json.dumps({**row, "fichier": layout.body_path(row["id"], row["name"])}, ensure_ascii=False)


async def _write_bodies(deps: Deps, folder: ExportFolder, authority: AuthorityId) -> int:
    total = 0
    for line in folder.lines(layout.rows_path(layout.BODY_TABLE)):
        row = json.loads(line)
        chunks = deps.stream(authority, ContentId(row["id"]))
        await folder.write_body(row["fichier"], bytes.fromhex(row["sha256"]), chunks)
        total += row["size"]
    folder.drop_strays(json.loads(line)["fichier"] for line in folder.lines(layout.rows_path(layout.BODY_TABLE)))
    return total


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _record(deps: Deps, by: Actor, authority: AuthorityId, done: tuple[datetime, bytes, dict[str, int]]) -> bool:
    """Say in the row of the collectivité what is exported; gives whether something came or moved meanwhile."""
    taken_at, sha256, counts = done
    async with deps.acting(by) as connection:
        current = await closing_db.lock_closing(connection, authority)
        if current is None:
            raise Refused(NOT_FOUND)
        check_exportable(current)
        held = {table: counts[table] for table in db.COUNTED}
        await closing_db.move_exported(connection, authority, taken_at, sha256, held)
        before = current.export_sha256.hex() if current.export_sha256 is not None else None
        what = ("authority:export", authority, authority)
        after = {"manifest": sha256.hex(), "exported_at": taken_at.isoformat()}
        await insert_change(connection, by, what, {"manifest": before}, after)
        return await db.count_rows(connection, authority) != held
