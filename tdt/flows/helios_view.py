"""Show the whole life of a PES flow to the operator."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tdt.db import helios_views as db
from tdt.db.helios import OBJECT, HeliosTransaction, get_transaction
from tdt.db.helios_reports import Report, list_reports
from tdt.db.shown_work import ShownAttempt, ShownJob, list_shown_attempts, list_shown_jobs
from tdt.db.windows import Leaving, forecast_departure
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import Forecast

UNKNOWN = "Numéro de transaction invalide."
HELIOS = RouteKind.HELIOS
ON_THE_WAY = (HeliosStatus.POSTE, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION)
JOBS = (JobKind.HELIOS_ANALYSE, JobKind.HELIOS_TRANSMIT)
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
    first_copy: db.FirstCopy | None
    """Never told to a collectivité."""
    departure: Forecast | None = None


async def view(deps: Deps, by: Actor, flow_id: HeliosId) -> dict[str, object]:
    """All that is known of a flow, as plain data, for the operator. Raises Refused when it does not exist."""
    if by.who is not None:
        raise Forbidden("Accès refusé")
    async with deps.acting(by) as connection:
        flow = await get_transaction(connection, flow_id)
        around = await db.find_around(connection, flow_id)
        if flow is None or around is None:
            raise Refused(UNKNOWN)
        life = _Life(
            flow,
            around,
            await db.list_steps(connection, flow_id),
            await list_shown_attempts(connection, OBJECT, flow_id),
            await list_shown_jobs(connection, (JOBS, flow_id), ((), 0)),
            await list_reports(connection, flow_id),
            await db.find_first_copy(connection, flow_id),
        )
        if flow.status in ON_THE_WAY:
            life = replace(life, departure=await forecast_departure(connection, Leaving(HELIOS, flow.id), deps.now()))
    return _tell(life)


async def list_named(deps: Deps, by: Actor, name: str) -> list[HeliosId]:
    """The flows that a NomFic, a SHA-1, the name of a file posted, sent or received designates."""
    async with deps.acting(by) as connection:
        sha1 = bytes.fromhex(name) if _SHA1.fullmatch(name) else None
        return await db.list_ids_named(connection, name, _SIREN.findall(name), sha1)


def _tell(life: _Life) -> dict[str, object]:
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
            "since": instant(next((step.at for step in reversed(life.steps) if step.status == flow.status), None)),
            "message": last.message if last else "",
        },
        "expected": _expected(life),
        "departure": life.departure.plain() if life.departure is not None else None,
        "deposited": {
            "at": instant(flow.submitted_at),
            "authority_id": flow.authority_id,
            "authority": around.authority,
            "siren": flow.siren,
            "account_id": flow.account_id,
            "account": around.account,
            "origin": around.origin,
        },
        "workflow": [_step(life, number, step) for number, step in enumerate(life.steps)],
        "files": [
            {
                "role": "flux",
                "name": flow.transmitted_name,
                "posted_filename": flow.filename,
                "size": flow.size,
                "sha256": around.sha256.hex(),
                "sha1": flow.sha1.hex(),
            },
            *([{"role": "acquit", "name": flow.acquit_filename, "size": around.acquit_size}] if _acquit(flow) else []),
        ],
        "route": {"id": flow.route_id, "name": around.route, "transport": around.transport, "test": around.test},
        "attempts": [one.plain() for one in life.attempts],
        "pending": [job.plain(operator=True) for job in life.jobs],
        "reports": [_report(one) for one in life.reports],
        "first_copy": _first_copy(life.first_copy),
    }


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


def _acquit(flow: HeliosTransaction) -> bool:
    return flow.acquit_content_id is not None


def _expected(life: _Life) -> dict[str, object] | None:
    if any(job.state == "dead" for job in life.jobs):
        return {"who": "l'exploitant de la plate-forme", "what": "reprendre ce traitement, mis de côté"}
    match life.flow.status:
        case HeliosStatus.EN_ATTENTE_D_ETRE_SIGNE:
            return {"who": "la collectivité", "what": "signer le flux"}
        case HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS:
            return {"who": "un agent télétransmetteur", "what": "confirmer la télétransmission"}
        case HeliosStatus.POSTE:
            return {"who": "la plate-forme", "what": "vérifier le flux"}
        case HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return {"who": "la plate-forme", "what": "transmettre à la DGFiP"}
        case HeliosStatus.TRANSMIS:
            return {"who": "la DGFiP", "what": "rendre l'acquit"}
    return None


def _step(life: _Life, number: int, step: db.Step) -> dict[str, object]:
    by: dict[str, object] = {"kind": "tdt"}
    if step.account_id is not None:
        by = {"kind": "account", "account_id": step.account_id, "name": step.account}
    elif number == 0 and life.flow.account_id is not None:
        by = {"kind": "account", "account_id": life.flow.account_id, "name": life.around.account}
    return {
        "status": int(step.status),
        "label": STATUS_LABELS[step.status],
        "at": instant(step.at),
        "message": step.message,
        "by": by,
    }
