"""The export of a collectivité: whole, its own only, checkable without us, never complete by accident."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tdt.db.export import ORDERS, OTHERS
from tdt.deps import utc_now
from tdt.documents.export_folder import PARTIAL, check_export
from tdt.domain import export as layout
from tdt.domain.audit import Actor, Source
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId, ContentId
from tdt.flows import closing, contents, exports
from tests.commands import open_terminal
from tests.doorbells import until
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire import test_helios_api as helios
from tests.wire.administration import audited, rows
from tests.wire.stack import Stack, config, pki, stack

__all__ = ["config", "pki", "stack"]

ready = actes.ready
OPERATOR = Actor(Source.CLI, None, "essai")
AR = "<?xml version='1.0' encoding='ISO-8859-1'?><ARActe>reçu</ARActe>".encode("latin-1")
LARGE = helios.PES + b"<!-- " + os.urandom(1_500_000).hex().encode() + b" -->"
OTHERS_SECRET = b"<!-- flux de l'autre commune -->"

NOT_EXPORTED = {"content_chunk", "job", "login_failure", "nonce", "acte_purged", "helios_purged"}
"""Bytes of bodies (they are files), work in progress, guesses at passwords, half-open doors, what a purge leaves."""


async def fill(stack: Stack) -> ActeId:
    """An acte acknowledged, a small PES, a large one in the archive, another that is still in the spool."""
    acte = await actes.create(stack, actes.form("ACTE_1"))
    await actes.move(stack, acte, 4, AR)
    await helios.deposit(stack)
    await helios.deposit(stack, LARGE, "gros é.xml")
    for row in await rows(stack, "select id from content where place = 'spool'"):
        await contents.archive(stack.deps, ContentId(row["id"]))
    await helios.deposit(stack, LARGE + b" ", "attend.xml")
    await helios.deposit(stack, helios.PES + OTHERS_SECRET, "autre.xml", "other")
    return acte


def lines(folder: Path, table: str) -> list[dict[str, Any]]:
    text = (folder / layout.rows_path(table)).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_an_export_is_whole_and_its_own_only(ready: Stack, tmp_path: Path) -> None:
    acte = await fill(ready)
    target, town = tmp_path / "export", ready.authorities["A"]
    done = await exports.export(ready.deps, OPERATOR, town, target)
    assert list(check_export(target, done.sha256.hex())) == []
    assert not done.outrun
    assert not (tmp_path / f"export{PARTIAL}").exists()
    checked = await asyncio.create_subprocess_exec(
        "sha256sum", "--check", "--strict", "--quiet", layout.SUMS, cwd=target
    )
    assert await checked.wait() == 0
    assert len((target / layout.SUMS).read_text().splitlines()) == done.files == len(files(target)) - 2

    bodies = {row["id"]: row for row in lines(target, "content")}
    kept = {}
    for row in lines(target, "helios_transaction"):
        kept[row["filename"]] = (target / bodies[row["content_id"]]["fichier"]).read_bytes()
    assert kept == {"PES_é.xml": helios.PES, "gros é.xml": LARGE, "attend.xml": LARGE + b" "}
    (file,) = [row for row in lines(target, "acte_file") if row["position"] == 1]
    assert (target / bodies[file["content_id"]]["fichier"]).read_bytes() == actes.PDF
    answers = [row for row in lines(target, "acte_workflow") if row["flux_content_id"]]
    assert [row["transaction_id"] for row in answers] == [acte]
    assert (target / bodies[answers[0]["flux_content_id"]]["fichier"]).read_bytes() == AR
    (classification,) = lines(target, "acte_classification")
    assert (target / bodies[classification["content_id"]]["fichier"]).read_bytes() == actes.CLASSIFICATION

    everything = b"".join((target / path).read_bytes() for path in files(target))
    assert OTHERS_SECRET not in everything
    assert b"argon2" not in everything
    assert b"password_hash" not in everything
    assert {row["authority_id"] for row in lines(target, "account")} == {town}
    assert "Sablières-la-Vieille" in (target / layout.README).read_text("utf-8")

    (row,) = await rows(ready, "select exported_at, export_sha256 from authority where id = $1", town)
    assert (bytes(row["export_sha256"]), row["exported_at"] <= utc_now()) == (done.sha256, True)
    trace = await audited(ready, "cli:authority:export")
    assert (trace["authority_id"], trace["data"]["after"]["manifest"]) == (town, done.sha256.hex())
    with pytest.raises(Refused) as refusal:
        await exports.export(ready.deps, OPERATOR, town, target)
    assert "existe déjà" in refusal.value.message


async def test_every_tampering_is_seen(ready: Stack, tmp_path: Path) -> None:
    await fill(ready)
    whole = tmp_path / "export"
    done = await exports.export(ready.deps, OPERATOR, ready.authorities["A"], whole)
    body = next(row["fichier"] for row in lines(whole, "content"))
    table = layout.rows_path("acte_workflow")

    def damage(path: str, change: bytes | None) -> list[str]:
        copy = tmp_path / "copie"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        if change is None:
            (copy / path).unlink()
        else:
            with (copy / path).open("ab") as file:
                file.write(change)
        return list(check_export(copy, done.sha256.hex()))

    assert damage(body, b"x") == [f"{body} a été modifié."]
    assert damage(body, None) == [f"{body} manque."]
    assert f"{table} a été modifié." in damage(table, b"{}\n")
    assert damage("contenus/intrus", b"x") == ["contenus/intrus n'est pas dans la liste."]
    assert damage(layout.SUMS, b"") == []
    assert damage(layout.SUMS, b"0\n") == [f"{layout.SUMS} n'est pas celui du manifeste."]
    assert damage(layout.MANIFEST, b"\n") == [f"{layout.MANIFEST} n'est pas celui que la plate-forme a gardé."]
    assert damage(layout.MANIFEST, b"x") == [f"{layout.MANIFEST} manque ou n'est pas celui d'un export complet."]
    assert damage(layout.MANIFEST, None) == [f"{layout.MANIFEST} manque ou n'est pas celui d'un export complet."]


async def test_killed_in_the_middle_it_is_not_complete_and_goes_on(
    ready: Stack, database: TestDatabase, tmp_path: Path
) -> None:
    await fill(ready)
    terminal, town, target = open_terminal(database, tmp_path), ready.authorities["A"], tmp_path / "sorti"
    partial = target.with_name(f"sorti{PARTIAL}")
    words = ["admin", "authorities", "export", str(town), "--to", str(target)]
    # nobody reads archived bodies meanwhile: the export stands still in the middle of its bodies
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        async with owner.transaction():
            await owner.execute("lock table content_chunk in access exclusive mode")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tdt", *words, env={**os.environ, "TDT_CONFIG": str(terminal.config)}
            )

            async def in_the_middle() -> bool:
                begun = [path.name.endswith(PARTIAL) for path in partial.glob("contenus/*/*")]
                return any(begun) and not all(begun)

            await until(in_the_middle, "the export comes to its archived body")
            process.send_signal(signal.SIGKILL)
            await process.wait()
    finally:
        await owner.close()
    assert not target.exists()
    assert list(check_export(partial)) == [f"{layout.MANIFEST} manque ou n'est pas celui d'un export complet."]
    (row,) = await rows(ready, "select exported_at from authority where id = $1", town)
    assert row["exported_at"] is None
    stray = next(path for path in partial.glob("contenus/*/*") if not path.name.endswith(PARTIAL))
    stray.with_name("7_ancien_nom.xml").write_bytes(b"x")
    kept = stray.stat().st_ino

    told = await asyncio.to_thread(terminal.rows, *words)
    assert stray.exists() is False
    assert (target / stray.relative_to(partial)).stat().st_ino == kept
    told_again = await asyncio.to_thread(
        terminal.run, "admin", "authorities", "verify-export", target, "--sha256", told["manifest_sha256"]
    )
    assert told_again == "L'export est complet et intact.\n"
    (target / layout.README).write_bytes(b"")
    assert "LISEZMOI.txt a été modifié." in terminal.run("admin", "authorities", "verify-export", target, code=1)


async def test_what_comes_after_makes_it_outrun(ready: Stack, tmp_path: Path) -> None:
    acte = await fill(ready)
    town = ready.authorities["A"]
    await exports.export(ready.deps, OPERATOR, town, tmp_path / "un")
    before = await rows(ready, "select export_counts from authority where id = $1", town)
    await actes.move(ready, acte, 5, None)
    await exports.export(ready.deps, OPERATOR, town, tmp_path / "deux")
    after = await rows(ready, "select export_counts from authority where id = $1", town)
    first, second = (json.loads(row[0]["export_counts"]) for row in (before, after))
    assert second == {**first, "acte_workflow": first["acte_workflow"] + 1}
    await closing.close(ready.deps, OPERATOR, town, paris_date(utc_now()))
    await closing.reopen(ready.deps, OPERATOR, town)
    (row,) = await rows(ready, "select exported_at, export_sha256 from authority where id = $1", town)
    assert (row["exported_at"], row["export_sha256"]) == (None, None)


async def test_no_table_is_forgotten(database: TestDatabase) -> None:
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        found = await connection.fetch(
            """select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
                and a.attname = 'authority_id'"""
        )
    finally:
        await connection.close()
    assert {row["name"] for row in found} - NOT_EXPORTED == {*ORDERS, "content"}
    assert set(layout.MEANING) == {*ORDERS, *OTHERS}
