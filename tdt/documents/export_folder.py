"""The folder of an export: written under another name, complete and durable before it gets its own; then checked."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from tdt.documents.spool import READ_BYTES, disk_errors, sync_directory
from tdt.domain import export as layout
from tdt.domain.errors import Permanent, Refused

PARTIAL = ".partiel"
LOCK = ".verrou"
EXISTS = "Le dossier {} existe déjà : un export ne s'écrit jamais sur un autre."
BUSY = "Un autre export est en cours dans {}."
ALTERED = "Le contenu {} n'est plus celui qui a été reçu : l'export s'arrête."


class ExportFolder:
    """An export being written. A crash leaves `DIR.partiel`, which the next try goes on with."""

    def __init__(self, target: Path):
        self.target = target
        self.partial = target.with_name(target.name + PARTIAL)
        self.files = 0
        self._sums = hashlib.sha256()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder alone. Raises Refused when it is complete already, or being written by another."""
        if self.target.exists():
            raise Refused(EXISTS.format(self.target))
        with disk_errors():
            self.partial.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.partial / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with disk_errors():
                self._begin_again()
            yield
        except BlockingIOError as error:
            raise Refused(BUSY.format(self.partial)) from error
        finally:
            os.close(lock)

    def _begin_again(self) -> None:
        """Of an earlier try only the bodies stay: all the rest is made anew."""
        shutil.rmtree(self.partial / layout.ROWS, ignore_errors=True)
        for name in (layout.README, layout.SUMS, layout.MANIFEST):
            (self.partial / name).unlink(missing_ok=True)

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> bytes:
        """Write a file, durable under its own name once whole, and list it; gives its SHA-256."""
        final = self.partial / path
        unfinished = final.with_name(final.name + PARTIAL)
        digest = hashlib.sha256()
        with disk_errors():
            final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = unfinished.open("wb")
        with file:
            async for chunk in chunks:
                digest.update(chunk)
                with disk_errors():
                    file.write(chunk)
            with disk_errors():
                file.flush()
                os.fsync(file.fileno())
        unfinished.rename(final)
        self._list(path, digest.digest())
        return digest.digest()

    async def write_body(self, path: str, sha256: bytes, chunks: AsyncIterator[bytes]) -> None:
        """Write a body unless an earlier try already has; its bytes must have this digest. Raises Permanent."""
        final = self.partial / path
        if final.is_file() and _digest(final) == sha256:
            self._list(path, sha256)
            return
        if await self.write(path, chunks) != sha256:
            raise Permanent(ALTERED.format(path))

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of a file written before."""
        with (self.partial / path).open("rb") as file:
            yield from file

    def finish(self, summary: layout.Summary) -> bytes:
        """Seal the folder and give it its name, all of it durable; gives the SHA-256 of its manifest."""
        manifest = layout.build_manifest(summary, self._sums.digest())
        with disk_errors():
            self._seal(manifest)
        return hashlib.sha256(manifest).digest()

    def drop_strays(self, paths: Iterable[str]) -> None:
        """Remove what an earlier try left among the bodies under names that are not these, given by folder."""
        for folder, bodies in groupby(paths, lambda path: path.rpartition("/")[0]):
            wanted = {path.rpartition("/")[2] for path in bodies}
            for found in (self.partial / folder).iterdir():
                if found.name not in wanted:
                    found.unlink()

    def _seal(self, manifest: bytes) -> None:
        sums = self.partial / layout.SUMS
        with sums.open("rb") as file:
            os.fsync(file.fileno())
        with (self.partial / layout.MANIFEST).open("wb") as file:
            file.write(manifest)
            file.flush()
            os.fsync(file.fileno())
        (self.partial / LOCK).unlink()
        for folder, _, _ in os.walk(self.partial):
            sync_directory(Path(folder))
        self.partial.rename(self.target)
        sync_directory(self.target.absolute().parent)

    def _list(self, path: str, sha256: bytes) -> None:
        line = f"{sha256.hex()}  {path}\n".encode("ascii")
        self._sums.update(line)
        self.files += 1
        with disk_errors(), (self.partial / layout.SUMS).open("ab") as file:
            file.write(line)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.digest()


def check_export(folder: Path, manifest_sha256: str = "") -> Iterator[str]:
    """What is wrong in an export, one fault a line, in French; nothing when it is whole and untouched."""
    try:
        data = (folder / layout.MANIFEST).read_bytes()
        manifest = layout.read_manifest(data)
    except (OSError, ValueError):
        yield f"{layout.MANIFEST} manque ou n'est pas celui d'un export complet."
        return
    if manifest_sha256 and hashlib.sha256(data).hexdigest() != manifest_sha256.lower():
        yield f"{layout.MANIFEST} n'est pas celui que la plate-forme a gardé."
    sums = folder / layout.SUMS
    if not sums.is_file() or _digest(sums).hex() != manifest.sums_sha256:
        yield f"{layout.SUMS} n'est pas celui du manifeste."
        return
    listed: dict[str, str] = {}
    for line in sums.read_text("ascii").splitlines():
        found = layout.read_sum(line)
        if found is None:
            yield f"{layout.SUMS} a une ligne qui n'est pas d'un export : {line!r}"
            continue
        listed[found[1]] = found[0]
    yield from _check_files(folder, listed, manifest)
    yield from _check_rows(folder, listed, manifest)


def _check_files(folder: Path, listed: dict[str, str], manifest: layout.Manifest) -> Iterator[str]:
    if len(listed) != manifest.files:
        yield f"Le manifeste annonce {manifest.files} fichiers, la liste en a {len(listed)}."
    for path, sha256 in listed.items():
        if not (folder / path).is_file() or (folder / path).is_symlink():
            yield f"{path} manque."
        elif _digest(folder / path).hex() != sha256:
            yield f"{path} a été modifié."
    known = {*listed, layout.SUMS, layout.MANIFEST}
    for root, _, names in os.walk(folder):
        for name in names:
            path = str((Path(root) / name).relative_to(folder))
            if path not in known:
                yield f"{path} n'est pas dans la liste."


def _check_rows(folder: Path, listed: dict[str, str], manifest: layout.Manifest) -> Iterator[str]:
    for table, count in manifest.counts.items():
        path = layout.rows_path(table)
        if path not in listed or not (folder / path).is_file():
            yield f"{path} n'est pas dans la liste."
            continue
        with (folder / path).open("rb") as file:
            lines = sum(1 for _ in file)
        if lines != count:
            yield f"{path} a {lines} lignes, le manifeste en annonce {count}."
    yield from _check_bodies(folder, listed, manifest)


def _check_bodies(folder: Path, listed: dict[str, str], manifest: layout.Manifest) -> Iterator[str]:
    """Every body that a row names is there, with the digest that the platform received it with."""
    path = folder / layout.rows_path(layout.BODY_TABLE)
    if not path.is_file():
        return
    total = 0
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
                body, sha256, size = row["fichier"], row["sha256"], int(row["size"])
            except (ValueError, KeyError, TypeError):
                yield f"{layout.rows_path(layout.BODY_TABLE)} a une ligne illisible."
                continue
            total += size
            if listed.get(body) != sha256:
                yield f"Le contenu {row.get('id')} n'est pas dans la liste avec son empreinte."
    if total != manifest.body_bytes:
        yield f"Les contenus font {total} octets, le manifeste en annonce {manifest.body_bytes}."
