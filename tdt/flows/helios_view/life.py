"""Show the whole life of a PES flow to whoever may see it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tdt.config import Config
from tdt.db import helios_views as db
from tdt.db.conventions import get_dossier
from tdt.db.helios import OBJECT, HeliosTransaction, get_transaction
from tdt.db.helios_archives import get_archive_url
from tdt.db.helios_moves import KINDS
from tdt.db.helios_reports import Report, list_reports
from tdt.db.helios_signing import Deposited, get_deposited
from tdt.db.pool import Connection
from tdt.db.shown_work import ShownAttempt, ShownJob, list_shown_attempts, list_shown_jobs
from tdt.db.windows import Leaving, forecast_departure
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import find_stop
from tdt.domain.errors import Refused
from tdt.domain.explanation import EXPLOITANT, Expected
from tdt.domain.helios.alerts import alert_at
from tdt.domain.helios.explain import expected, explain
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind
from tdt.domain.limits import HELIOS as STATES
from tdt.domain.limits import late_at
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import Forecast
from tdt.flows.helios_view.access import check_view

UNKNOWN = "Numéro de transaction invalide."
DOWNLOAD = "/modules/helios/"
HELIOS = RouteKind.HELIOS
ON_THE_WAY = (HeliosStatus.POSTE, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION)
JOBS = (JobKind.HELIOS_ANALYSE, JobKind.HELIOS_TRANSMIT, JobKind.HELIOS_SCHEMA)
FROM_THE_STATE = (HeliosStatus.ACQUITTEMENT_RECU, HeliosStatus.REFUSE, HeliosStatus.INFORMATION_DISPONIBLE)
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SIREN = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")


@dataclass(frozen=True, slots=True)
class _Life:
    flow: HeliosTransaction
    around: db.Around
    steps: Sequence[db.Step]
    attempts: Sequence[ShownAttempt]
    jobs: Sequence[ShownJob]
    reports: Sequence[Report]
    received: Sequence[db.Returned]
    deposited: Deposited | None
    archive_url: str
    first_copy: db.FirstCopy | None
    alerts: Sequence[db.Alert]
    """These two are never told to a collectivité."""
    departure: Forecast | None = None
    held: str = ""
    """Why it is held: a suspension, or an operator."""

    @property
    def entered(self) -> db.Step | None:
        """The step at which the flow came to its status: notes made since are other steps of the same status."""
        found = None
        for step in reversed(self.steps):
            if step.status is not self.flow.status:
                break
            found = step
        return found


async def view(deps: Deps, by: Actor, flow_id: HeliosId) -> dict[str, object]:
    """All that is known of a flow, as plain data; the operator also reads why work was put off, and who holds its copy.

    Raises Refused when it does not exist or is another collectivité's: the same for both; Forbidden inside one's own.
    """
    async with deps.acting(by) as connection:
        flow = await get_transaction(connection, flow_id)
        if flow is None:
            raise Refused(UNKNOWN)
        await check_view(connection, by, flow)
        life = await _gather(connection, flow, operator=by.who is None)
    if flow.status in ON_THE_WAY:
        # what waits before it on the route is others', too: seen by the system, told as an instant
        async with deps.transaction("system") as connection:
            life = replace(life, departure=await forecast_departure(connection, Leaving(HELIOS, flow.id), deps.now()))
            dossier = await get_dossier(connection, flow.authority_id, Module.HELIOS)
        stop = find_stop(dossier, set(flow.domains), paris_date(deps.now()), {int(flow.id)})
        life = replace(life, held=stop.clause if stop is not None else "")
    return _tell(life, deps.config, operator=by.who is None)


async def _gather(connection: Connection, flow: HeliosTransaction, operator: bool) -> _Life:
    around = await db.find_around(connection, flow.id)
    if around is None:
        raise Refused(UNKNOWN)
    return _Life(
        flow,
        around,
        await db.list_steps(connection, flow.id),
        await list_shown_attempts(connection, OBJECT, flow.id),
        await list_shown_jobs(connection, (JOBS, flow.id), ((), 0)),
        await list_reports(connection, flow.id),
        await db.list_returned(connection, flow.id),
        await get_deposited(connection, flow.id),
        await get_archive_url(connection, flow.id),
        await db.find_first_copy(connection, flow.id) if operator else None,
        await db.list_alerts(connection, flow.id) if operator else (),
    )


async def list_named(deps: Deps, by: Actor, name: str) -> list[HeliosId]:
    """The flows that a NomFic, a SHA-1, the name of a file posted, sent or received designates."""
    async with deps.acting(by) as connection:
        sha1 = bytes.fromhex(name) if _SHA1.fullmatch(name) else None
        return await db.list_ids_named(connection, name, _SIREN.findall(name), sha1)


def _tell(life: _Life, config: Config, operator: bool) -> dict[str, object]:
    """Plain data, in the order in which people read it. Instants are in UTC."""
    flow, around = life.flow, life.around
    last = life.steps[-1] if life.steps else None
    return {
        "id": flow.id,
        "label": "Flux PES",
        "root": flow.root,
        "nomfic": flow.xml_nomfic,
        "domains": list(flow.domains),
        "header": {
            "CodCol": flow.xml_cod_col,
            "CodBud": flow.xml_cod_bud,
            "IdPost": flow.xml_id_post,
            "IdColl": flow.xml_id_coll,
        },
        "status": {
            "code": int(flow.status),
            "label": STATUS_LABELS[flow.status],
            "since": instant(life.entered.at if life.entered else None),
            "message": last.message if last else "",
        },
        "problem": _problem(life),
        "expected": _expected(life, config),
        "departure": life.departure.plain() if life.departure is not None else None,
        "held": life.held or None,
        "deposited": {
            "at": instant(flow.submitted_at),
            "authority_id": flow.authority_id,
            "authority": around.authority,
            "siren": flow.siren,
            "account_id": flow.account_id,
            "account": around.account,
            "origin": around.origin,
        },
        "workflow": [_step(life, number, step, operator) for number, step in enumerate(life.steps)],
        "files": _files(life),
        "archive_url": life.archive_url or None,
        "route": {"id": flow.route_id, "name": around.route, "transport": around.transport, "test": around.test},
        "attempts": [one.plain() for one in life.attempts],
        "pending": [job.plain(operator) for job in life.jobs],
        "reports": [_report(one) for one in life.reports],
        "received": [one.plain(operator) for one in life.received],
        **(
            {"first_copy": _first_copy(life.first_copy), "alerts": [_alert(one) for one in life.alerts]}
            if operator
            else {}
        ),
    }


def _files(life: _Life) -> list[dict[str, object]]:
    """The flow; what was deposited when it was signed here; the acquit."""
    flow, deposited = life.flow, life.deposited
    files: list[dict[str, object]] = [
        {
            "role": "flux",
            "name": flow.transmitted_name,
            "posted_filename": flow.filename,
            "size": flow.size,
            "sha256": life.around.sha256.hex(),
            "sha1": flow.sha1.hex(),
            "download": f"{DOWNLOAD}helios_download_file.php?id={flow.id}",
        }
    ]
    if deposited is not None:
        files.append(
            {
                "role": "original",
                "name": flow.filename,
                "posted_filename": flow.filename,
                "size": deposited.size,
                "sha256": deposited.sha256.hex(),
                "sha1": deposited.sha1.hex(),
                "download": f"{DOWNLOAD}helios_download_file.php?id={flow.id}&deposited=1",
            }
        )
    if flow.acquit_content_id is not None:
        link = f"{DOWNLOAD}helios_download_acquit.php?id={flow.id}"
        files.append(
            {"role": "acquit", "name": flow.acquit_filename, "size": life.around.acquit_size, "download": link}
        )
    return files


def _report(one: Report) -> dict[str, object]:
    return {"aspect": one.aspect, "verdict": one.verdict, "at": instant(one.at), "data": dict(one.data)}


def _first_copy(first: db.FirstCopy | None) -> dict[str, object] | None:
    if first is None:
        return None
    return {
        "flow": f"helios:{first.transaction_id}",
        "authority_id": first.authority_id,
        "authority": first.authority,
    }


def _alert(one: db.Alert) -> dict[str, object]:
    return {"kind": one.kind, "since": instant(one.since), "told_at": instant(one.told_at)}


def _problem(life: _Life) -> dict[str, object] | None:
    if life.flow.status is not HeliosStatus.ERREUR:
        return None
    message = life.entered.message if life.entered else ""
    told = explain(message)
    return {"code": told.code, "message": message, "cause": told.cause, "who": told.who, "remedy": told.remedy}


def _expected(life: _Life, config: Config) -> dict[str, object] | None:
    """Who must do what, since when, and when the operator is told that it lasts."""
    awaited = expected(life.flow.status)
    # what the schema says holds nothing back
    if any(job.state == "dead" and job.kind in KINDS for job in life.jobs):
        awaited = Expected(EXPLOITANT, "reprendre ce traitement, mis de côté")
    if awaited is None:
        return None
    since = life.entered.at if life.entered else life.flow.submitted_at
    late = alert_at(life.flow.status, since, config.helios.alert_limits)
    late = late or late_at(STATES.get(life.flow.status), since, config.ages)
    return {"who": awaited.who, "what": awaited.what, "since": instant(since), "alert_at": instant(late)}


def _step(life: _Life, number: int, step: db.Step, operator: bool) -> dict[str, object]:
    by: dict[str, object] = {"kind": "tdt"}
    if step.operator is not None:
        by = {"kind": "operator", **({"name": step.operator} if operator else {})}
    elif step.account_id is not None:
        by = {"kind": "account", "account_id": step.account_id, "name": step.account}
    elif step.status in FROM_THE_STATE:
        by = {"kind": "state"}
    elif number == 0 and life.flow.account_id is not None:
        by = {"kind": "account", "account_id": life.flow.account_id, "name": life.around.account}
    return {
        "status": int(step.status),
        "label": STATUS_LABELS[step.status],
        "at": instant(step.at),
        "message": step.message,
        "by": by,
    }
