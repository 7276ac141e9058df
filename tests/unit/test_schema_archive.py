"""Sets of schemas in directories and archives: good ones are read alike, hostile ones are refused in French."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tdt.documents import schema_archive
from tdt.documents.schema_archive import digest, pack, read_set, unpack
from tdt.domain.errors import Refused
from tdt.domain.helios.schema_sets import version_in
from tests.schema_sets import as_directory, as_tar, as_zip, small_set

SET = small_set()


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_set(path)
    assert caught.value.code == "SCHEMAS_REFUSES"
    assert caught.value.message.startswith("Jeu de schémas refusé : ")
    return caught.value.message


def test_a_directory_and_archives_give_the_same_set(tmp_path: Path) -> None:
    with_more = {**SET, "lisez-moi.txt": b"..", "essai/.xsd~": b""}
    paths = [
        as_directory(with_more, tmp_path / "jeu"),
        as_zip(with_more, tmp_path / "jeu.zip"),
        as_tar(with_more, tmp_path / "jeu.tar.gz"),
        as_tar(with_more, tmp_path / "jeu.tar.xz", "w:xz"),
        as_tar(with_more, tmp_path / "jeu.tar.bz2", "w:bz2"),
        as_tar({f"./{name}": content for name, content in with_more.items()}, tmp_path / "jeu.tar", "w"),
    ]
    for path in paths:
        assert read_set(path) == SET, path
    assert unpack(pack(SET)) == SET
    assert pack(SET) == pack(dict(reversed(SET.items())))
    assert digest(SET) == digest(dict(reversed(SET.items()))) != digest({**SET, "a.xsd": b""})


@pytest.mark.parametrize(
    "name", ["../PES_Aller.xsd", "/etc/PES_Aller.xsd", "a/../../b.xsd", "C:\\b.xsd", "c:b.xsd", "a\nb.xsd"]
)
def test_a_path_that_leaves_the_set_is_refused(name: str, tmp_path: Path) -> None:
    assert "chemin interdit" in refusal(as_zip({**SET, name: b"<a/>"}, tmp_path / "a.zip"))
    assert "chemin interdit" in refusal(as_tar({**SET, name: b"<a/>"}, tmp_path / "a.tgz"))
    # what is ignored is looked at all the same: such an archive is not a set
    assert "chemin interdit" in refusal(as_zip({**SET, name + ".txt": b""}, tmp_path / "b.zip"))


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        member = tarfile.TarInfo("lien.xsd")
        member.type, member.linkname = kind, "/etc/passwd"
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            archive.addfile(member)
        assert "est un lien ou un fichier spécial" in refusal(tmp_path / "a.tar")
    info = zipfile.ZipInfo("lien.xsd")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(info, "/etc/passwd")
    assert "est un lien ou un fichier spécial" in refusal(tmp_path / "a.zip")
    folder = as_directory(SET, tmp_path / "jeu")
    (folder / "lien.xsd").symlink_to("/etc/passwd")
    assert "lien.xsd n'est pas un fichier ordinaire" in refusal(folder)
    (folder / "lien.xsd").unlink()
    (folder / "dossier").symlink_to("/etc")
    assert "dossier est un lien" in refusal(folder)
    (folder / "dossier").unlink()
    os.mkfifo(folder / "tube.xsd")
    assert "n'est pas un fichier ordinaire" in refusal(folder)


def test_bombs_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_archive, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(schema_archive, "LARGEST_STREAM", 4 << 20)
    bomb = bytes(2 << 20)
    assert "trop volumineux" in refusal(as_zip({"a.xsd": bomb}, tmp_path / "a.zip"))
    assert "trop volumineux" in refusal(as_tar({"a.xsd": bomb}, tmp_path / "a.tgz"))
    # what is not a schema is not kept, but a tar must be read through
    assert "trop de données" in refusal(as_tar({"a.txt": bytes(8 << 20), "b.xsd": b"<a/>"}, tmp_path / "b.tgz"))
    monkeypatch.setattr(schema_archive, "LARGEST_SET", 3 << 19)
    halves = {f"{number}.xsd": bytes(1 << 19) for number in range(4)}
    assert "trop volumineux" in refusal(as_directory(halves, tmp_path / "jeu"))
    monkeypatch.setattr(schema_archive, "MOST_FILES", 3)
    assert "plus de 3 fichiers" in refusal(as_zip(dict.fromkeys("abcd", b""), tmp_path / "c.zip"))
    monkeypatch.setattr(schema_archive, "LARGEST_ARCHIVE", 10)
    assert "l'archive est trop volumineuse" in refusal(tmp_path / "c.zip")


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    assert "aucun schéma" in refusal(as_zip({"a.txt": b""}, tmp_path / "a.zip"))
    (tmp_path / "vide").mkdir()
    assert "aucun schéma" in refusal(tmp_path / "vide")
    for name, content in {
        "a.bin": os.urandom(3000),
        "b.xsd": SET["essai/Rev0/PES_Aller.xsd"],
        "c.tgz": gzip.compress(b"no tar"),
        "d.tgz": as_tar(SET, tmp_path / "whole.tgz").read_bytes()[:200],
        "e.zip": as_zip(SET, tmp_path / "whole.zip").read_bytes()[:-60],
        "f": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "abîmée" in refusal(tmp_path / name) or "aucun schéma" in refusal(tmp_path / name), name
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("a.xsd", "<a/>")
        with pytest.warns(UserWarning):
            archive.writestr("a.xsd", "<b/>")
    (tmp_path / "g.zip").write_bytes(twice.getvalue())
    assert "deux fichiers portent le nom a.xsd" in refusal(tmp_path / "g.zip")
    locked = bytearray(as_zip({"a.xsd": b"<a/>"}, tmp_path / "h.zip").read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "h.zip").write_bytes(locked)
    assert "chiffrée" in refusal(tmp_path / "h.zip")
    assert "No such file" in refusal(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("schemas_pes.v5.12", "5.12"), ("schemas_pes_v5.30.zip", "5.30"), ("PES_2024-10_v5.24.1.tar.gz", "5.24.1"),
        ("schemas.zip", ""),
    ],
)  # fmt: skip
def test_the_version_is_in_the_name(name: str, version: str) -> None:
    assert version_in(name) == version
