"""`scripts/demo`: one acte and one PES travel to the State and back in a sandbox, each step shown as it happens."""

import argparse
import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg

from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import STATUS_LABELS as ACTE_LABELS
from tdt.domain.calendar import paris_date
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import STATUS_LABELS as PES_LABELS
from tdt.log import configure
from tdt.sandbox import samples
from tdt.sandbox.client import ACTES, HELIOS, Client, Upload, control_get, control_list
from tdt.sandbox.main import FAILURES, Sandbox, open_sandbox
from tdt.sandbox.provision import COLLECTIVITIES

PAYER = samples.Payer(COLLECTIVITIES[0].new.name, COLLECTIVITIES[0].sirets[0])
JOURNEY_SECONDS = 60.0
LOOK_SECONDS = 0.05
PDF = "application/pdf"


class DemoFailed(Exception):
    """A step did not go as it must."""


@dataclass(slots=True)
class Journey:
    """One flow on its way: `seen` counts the statuses shown, `ended` says that its answer has come."""

    title: str
    table: str
    number: int
    labels: Callable[[int], str]
    good: frozenset[int]
    bad: frozenset[int]
    details: dict[int, Callable[[], str]] = field(default_factory=dict)
    seen: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """Where the demonstration writes, and since when it counts."""

    out: Path
    beginning: float
    saved: list[str] = field(default_factory=list)
    waiting: list[tuple[float, str]] = field(default_factory=list)

    def line(self, title: str, text: str, at: float) -> None:
        """One line of the timeline, shown by the next `flush`."""
        self.waiting.append((at, f"  {at - self.beginning:6.2f} s  {title:<5} {text}".replace(".", ",", 1)))

    def flush(self) -> None:
        """Shows what came since the last time, in the order in which it happened."""
        for _, line in sorted(self.waiting):
            print(line, flush=True)
        self.waiting.clear()

    def save(self, name: str, data: bytes) -> str:
        """Writes a file to demo-out/; gives its name and size."""
        (self.out / name).write_bytes(data)
        self.saved.append(name)
        return f"{name} ({size(len(data))})"


def size(count: int) -> str:
    """`2 417 octets`."""
    return f"{count:,} octets".replace(",", " ")


def main() -> int:
    """Reads the arguments; gives the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Un acte et un PES, aller et retour.")
    parser.add_argument("--keep", action="store_true", help="laisser le bac à sable en marche à la fin")
    parser.add_argument("--dir", type=Path, help="dossier du bac à sable (par défaut : un dossier temporaire)")
    parser.add_argument("--port", type=int, default=0, help="port HTTPS (par défaut : un port libre)")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="où écrire les fichiers obtenus")
    arguments = parser.parse_args()
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="tdt-demo-"))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = directory / "demo.log"
    terminal = os.dup(2)
    with journal.open("ab") as target:
        os.dup2(target.fileno(), 2)  # the logs of every process; the terminal keeps the timeline
    try:
        asyncio.run(_run(directory, arguments))
    except (*FAILURES, DemoFailed) as error:
        os.dup2(terminal, 2)
        print(f"\nÉchec : {error}\nLe journal de tous les processus : {journal}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nInterrompu.")
        return 130
    finally:
        os.dup2(terminal, 2)
    if arguments.dir is None:
        shutil.rmtree(directory)
    return 0


async def _run(directory: Path, arguments: argparse.Namespace) -> None:
    configure("info", "json")
    me = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel if me else lambda: None)
    print("Démarrage du bac à sable : Postgres, serveur, travail, préfecture et DGFiP simulées, certificats jetables…")
    began = time.monotonic()
    async with open_sandbox(directory, arguments.port) as sandbox:
        print(f"Prêt en {time.monotonic() - began:.1f} s : {sandbox.url}\n".replace(".", ",", 1))
        out = _make_folder(arguments.out)
        show = Show(out, time.time())
        await _transmit(sandbox, show)
        _tell_the_end(show)
        if arguments.keep:
            _tell_how_to_go_on(sandbox, out)
            await _until_stopped()


def _make_folder(out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    return out.resolve()


async def _until_stopped() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    print("\nArrêt du bac à sable.")


# ---------------------------------------------------------------------------------------------- the two journeys


async def _transmit(sandbox: Sandbox, show: Show) -> None:
    now = datetime.fromtimestamp(show.beginning, UTC)
    client = sandbox.client("system")
    sent = [len(await asyncio.to_thread(control_list, sandbox.control, name)) for name in ("prefecture", "dgfip")]
    acte = await asyncio.to_thread(_post_acte, client, show, now)
    pes = await asyncio.to_thread(_post_pes, client, show, now)
    acte.details[ActeStatus.TRANSMIS] = lambda: _save_received(sandbox, show, "prefecture", sent[0])
    acte.details[ActeStatus.ACQUITTEMENT_RECU] = lambda: show.save(
        "acte-AR.xml", client.get(f"{ACTES}/actes_transac_get_ARActe.php", id=acte.number, api=1)
    )
    pes.details[HeliosStatus.TRANSMIS] = lambda: _save_received(sandbox, show, "dgfip", sent[1])
    for status in pes.good:
        pes.details[status] = lambda: show.save(
            "PES_ACQUIT.xml", client.get("/modules/helios/helios_download_acquit.php", id=pes.number, api=1)
        )
    connection = await asyncpg.connect(sandbox.dsns.owner)
    try:
        async with asyncio.timeout(JOURNEY_SECONDS):
            while not (acte.ended and pes.ended):
                for journey in (acte, pes):
                    await _show_news(connection, journey, show)
                show.flush()
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise DemoFailed(f"pas de réponse de l'État en {JOURNEY_SECONDS:.0f} s") from error
    finally:
        show.flush()
        await connection.close()


def _post_acte(client: Client, show: Show, now: datetime) -> Journey:
    day = paris_date(now)
    number = f"DEMO_{now:%H%M%S}"
    deliberation, annexe = samples.deliberation(PAYER, number, day), samples.annexe(PAYER, number)
    fields = [
        ("api", "1"),
        ("nature_code", "1"),
        ("classif1", "3"),
        ("classif2", "1"),
        ("number", number),
        ("decision_date", day.isoformat()),
        ("subject", "Acquisition de la parcelle AB 214, chemin du Moulin"),
        ("type_acte", "31_DE"),
        ("type_pj[]", "31_DP"),
    ]
    files = [
        Upload("acte_pdf_file", "deliberation.pdf", deliberation, PDF),
        Upload("acte_attachments[]", "annexe.pdf", annexe, PDF),
    ]
    given = [show.save(file.name, file.data) for file in files]
    began = time.time()
    lines = client.post(f"{ACTES}/actes_transac_create.php", fields, files).decode("latin-1").split("\n")
    if lines[0] != "OK":
        raise DemoFailed(f"l'acte est refusé : {' '.join(lines[1:])}")
    show.line("ACTE", f"déposé par le logiciel, n° {number} : {', '.join(given)} → transaction {lines[1]}", began)
    return Journey(
        "ACTE",
        "acte_workflow",
        int(lines[1]),
        lambda status: ACTE_LABELS[ActeStatus(status)],
        frozenset({ActeStatus.ACQUITTEMENT_RECU}),
        frozenset({ActeStatus.ERREUR}),
    )


def _post_pes(client: Client, show: Show, now: datetime) -> Journey:
    name = f"PES_{now:%Y%m%d_%H%M%S}.xml"
    flow = samples.pes_aller(PAYER, name.removesuffix(".xml"), _first_of_year(now))
    given = show.save("PES_Aller.xml", flow)
    began = time.time()
    answer = client.post(f"{HELIOS}/helios_importer_fichier.php", [], [Upload("enveloppe", name, flow, "text/xml")])
    found = re.search(rb"<id>(\d+)</id>", answer)
    if found is None:
        raise DemoFailed(f"le PES est refusé : {answer.decode('latin-1')}")
    show.line("PES", f"déposé par le logiciel, {name} : {given} → transaction {found[1].decode()}", began)
    return Journey(
        "PES",
        "helios_workflow",
        int(found[1]),
        lambda status: PES_LABELS[HeliosStatus(status)],
        frozenset({HeliosStatus.ACQUITTEMENT_RECU, HeliosStatus.INFORMATION_DISPONIBLE}),
        frozenset({HeliosStatus.ERREUR, HeliosStatus.REFUSE}),
    )


def _first_of_year(now: datetime) -> date:
    return paris_date(now).replace(month=1, day=2)


async def _show_news(connection: asyncpg.Connection, journey: Journey, show: Show) -> None:
    """The statuses that came since the last look, with the moment at which the server wrote them."""
    rows = await connection.fetch(
        f"select status, at, message from {journey.table} where transaction_id = $1 order by id", journey.number
    )
    for row in rows[journey.seen :]:
        detail = journey.details.get(row["status"])
        shown = f" : {await asyncio.to_thread(detail)}" if detail is not None else ""
        show.line(journey.title, journey.labels(row["status"]) + shown, row["at"].timestamp())
        if row["status"] in journey.bad:
            raise DemoFailed(f"{journey.title} : {row['message']}")
        journey.ended = journey.ended or row["status"] in journey.good
    journey.seen = len(rows)


def _save_received(sandbox: Sandbox, show: Show, simulator: str, before: int) -> str:
    """The exact bytes that the State received."""
    received = control_list(sandbox.control, simulator)
    if len(received) <= before:
        raise DemoFailed(f"{simulator} n'a rien reçu")
    data = control_get(sandbox.control, f"/{simulator}/received/{before}")
    return show.save(str(received[before]["name"]), data)


# ---------------------------------------------------------------------------------------------- what to do next


def _tell_the_end(show: Show) -> None:
    print(f"\nLes fichiers sont dans {show.out} :")
    notes = {
        "acte-AR.xml": "l'accusé de réception de la préfecture",
        "PES_ACQUIT.xml": "l'acquittement de la DGFiP",
        ".tar.gz": "l'archive exacte envoyée à la préfecture",
        "PESALR2": "le fichier exact envoyé à la DGFiP",
    }
    for name in sorted(show.saved):
        note = next((text for mark, text in notes.items() if mark in name), "déposé par le logiciel")
        print(f"  {name:<44} {size((show.out / name).stat().st_size):>14}  {note}")
    print(
        "\nPour continuer : scripts/demo --keep laisse tout en marche ; docs/sandbox.md décrit le bac à sable"
        " et le pilotage de l'État simulé ; docs/operations.md, la mise en production."
    )


def _tell_how_to_go_on(sandbox: Sandbox, out: Path) -> None:
    client = sandbox.client("system")
    curl = f"curl --cacert '{client.ca}' --cert '{client.cert}' --key '{client.key}'"
    curl += f" -u '{client.login}:{client.password}'"
    print(
        f"""
Le bac à sable reste en marche ({sandbox.layout.directory}) ; Ctrl-C l'arrête. Dans un autre terminal :

  {curl} {sandbox.url}/api/test-connexion.php

  {curl} {sandbox.url}{ACTES}/actes_transac_create.php \\
    -F api=1 -F nature_code=1 -F classif1=3 -F classif2=1 -F number=ESSAI_1 \\
    -F decision_date="$(date +%F)" -F 'subject=Un essai' -F type_acte=99_DE \\
    -F 'acte_pdf_file=@{out}/deliberation.pdf;type={PDF}'

  {curl} '{sandbox.url}{ACTES}/actes_transac_get_status.php?transaction=NUMERO'

  LC_ALL=C sed 's/V="PES_/V="ESSAI_/' '{out}/PES_Aller.xml' > essai.xml   # un NomFic ne sert qu'une fois
  {curl} {sandbox.url}{HELIOS}/helios_importer_fichier.php \\
    -F 'enveloppe=@essai.xml;type=text/xml'

  curl {sandbox.control}/prefecture/received
  curl -d '{{"answer": "anomaly:003"}}' {sandbox.control}/prefecture/behaviour
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
