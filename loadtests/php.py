"""The barest handler that stores an acte: php-fpm, one file moved, one connection and one INSERT for each request."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.processes import NotReady, Program, accepts, running
from loadtests.stand import Stand, run_sql
from tdt.sandbox.postgres import APP, DATABASE

WORKERS = 4

POOL = """
[global]
error_log = {directory}/php.log
daemonize = no
[bare]
{user}
listen = {directory}/php.sock
listen.mode = 0666
pm = static
pm.max_children = {workers}
php_admin_value[opcache.enable] = 1
php_admin_value[upload_tmp_dir] = {directory}/php-tmp
php_admin_value[post_max_size] = 200M
php_admin_value[upload_max_filesize] = 200M
"""

HANDLER = """<?php
$file = $_FILES['acte_pdf_file'] ?? null;
if ($file === null || $file['error'] !== UPLOAD_ERR_OK) {{ http_response_code(400); exit("KO\\n"); }}
$name = bin2hex(random_bytes(16));
if (!move_uploaded_file($file['tmp_name'], '{directory}/files/' . $name)) {{ exit("KO\\n"); }}
$db = pg_connect('{dsn}');
$insert = 'insert into loadtest_acte (number, nature, classif, subject, decision_date, type_acte, file)
    values ($1, $2, $3, $4, $5, $6, $7) returning id';
$row = pg_query_params($db, $insert, [$_POST['number'], $_POST['nature_code'], $_POST['classif1'] . '.' .
    $_POST['classif2'], $_POST['subject'], $_POST['decision_date'], $_POST['type_acte'], $name]);
echo "OK\\n" . pg_fetch_row($row)[0] . "\\n";
"""

TABLE = f"""
    create table if not exists loadtest_acte (
        id bigint generated always as identity primary key, number text not null unique, nature smallint, classif text,
        subject text, decision_date date, type_acte text, file text, at timestamptz not null default now());
    grant select, insert on loadtest_acte to {APP}"""


@contextmanager
def php_fpm(stand: Stand, directory: Path) -> Iterator[Program]:
    """Listens on `php.sock` of this directory; the database of the stand must run."""
    for statement in TABLE.split(";\n"):
        run_sql(stand, statement)
    for name in ("files", "php-tmp"):
        folder = directory / name
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    dsn = f"host={stand.cluster.sockets} user={APP} dbname={DATABASE}"
    (directory / "acte.php").write_text(HANDLER.format(directory=directory, dsn=dsn))
    (directory / "acte.php").chmod(0o644)
    pool = directory / "php-fpm.conf"
    user = "user = nobody\ngroup = nogroup" if os.geteuid() == 0 else ""
    pool.write_text(POOL.format(directory=directory, user=user, workers=WORKERS))
    command = [_find_php_fpm(), "--nodaemonize", "--fpm-config", str(pool)]
    with running(command, directory / "php.log", lambda: accepts(directory / "php.sock")) as program:
        yield program


def _find_php_fpm() -> str:
    found = sorted(Path("/usr/sbin").glob("php-fpm*"), reverse=True)
    if not found:
        raise NotReady("php-fpm is not installed: run scripts/loadtest as root once")
    return str(found[0])
