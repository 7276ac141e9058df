"""Small actes answered durable with every check done, against the barest PHP handler behind nginx."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtests.nginx import Certificates, nginx
from loadtests.php import php_fpm
from loadtests.processes import Program, drop_files, milliseconds_since, spent
from loadtests.result import Outcome, Sample, compare, interleave
from loadtests.stand import Stand, database, serve
from loadtests.wire import FORM_END, Burst, Crowd, Door, field, file_head, request_head

TARGET = 1.0
CLIENTS = 8
PDF_BYTES = 100_000
NUMBER_LENGTH = 12
PATH = "/modules/actes/actes_transac_create.php"
PDF = b"%PDF-1.4\n%" + os.urandom(PDF_BYTES - 16).replace(b"\n", b" ") + b"\n%%EOF\n"


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """With one serving process as shipped, then with two."""
    each = 160 if quick else 400
    with Crowd(CLIENTS) as crowd:
        for processes in (1, 2):
            with _sides(stand, crowd, processes, each) as (ours, bare):
                sides = interleave(rounds, (f"tdt, {processes} process", ours), ("php-fpm behind nginx", bare))
            note = f"{CLIENTS} clients at once, {each} actes of 100 kB a round and side"
            yield compare(f"actes, {processes} process", "acte/s", sides, TARGET, note=note)


@contextmanager
def _sides(
    stand: Stand, crowd: Crowd, processes: int, each: int
) -> Iterator[tuple[Callable[[int], Sample], Callable[[int], Sample]]]:
    with ExitStack() as stack:
        base = stack.enter_context(database(stand))
        ours = {"tdt": stack.enter_context(serve(stand, processes)), "postgres": base}
        directory = stand.directory / f"php-{processes}"
        certificates = Certificates(stand.pki / "server.pem", stand.pki / "server.key", stand.pki / "connect")
        front = stack.enter_context(nginx(directory, certificates, workers=2))
        php = stack.enter_context(php_fpm(stand, directory))
        theirs = {"nginx": front.program, "php": php, "postgres": base}

        def send_ours(number: int) -> Sample:
            texts = _numbers(f"T{processes}{number:02}", each)
            return _measure(crowd, burst(stand, stand.port, PATH), texts, ours)

        def send_bare(number: int) -> Sample:
            texts = _numbers(f"P{processes}{number:02}", each)
            sample = _measure(crowd, burst(stand, front.port, "/acte.php"), texts, theirs)
            drop_files(directory / "files")
            return sample

        yield send_ours, send_bare


def _numbers(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:0{NUMBER_LENGTH - len(prefix)}}" for number in range(count)]


def burst(stand: Stand, port: int, path: str, who: str = "system", pdf: bytes = PDF) -> Burst:
    """Deposits that differ by their number, of an account of the sandbox."""
    account = stand.account(who)
    before = b"".join(
        [
            field("api", "1"),
            field("nature_code", "1"),
            field("classif1", "3"),
            field("classif2", "1"),
            field("decision_date", "2025-06-12"),
            field("subject", "Acquisition de la parcelle AB 214"),
            field("type_acte", "99_DE"),
        ]
    )
    head, tail = field("number", "|").split(b"|")
    after = tail + file_head("acte_pdf_file", "deliberation.pdf", "application/pdf") + pdf + FORM_END
    length = len(before) + len(head) + NUMBER_LENGTH + len(after)
    first = request_head("POST", path, length, account.login, account.password)
    door = Door(port, Path(stand.told["ca"]), account.cert, account.key)
    return Burst(door, first + before + head, after, b"\r\n\r\nOK\n" if path == PATH else b"OK\n")


def _measure(crowd: Crowd, burst: Burst, texts: list[str], servers: Mapping[str, Program]) -> Sample:
    os.sync()
    time.sleep(0.2)
    before = spent(servers)
    seconds, _ = crowd.run(burst, texts)
    return Sample(len(texts) / seconds, milliseconds_since(before, servers, len(texts)))
