"""The life of a transaction as plain data: what the JSON endpoint gives and what `tdt flow` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.acte_reports import Report
from tdt.db.acte_views import Depositor, Relative, ShownEnvelope, ShownFile, Step
from tdt.db.actes import Acte
from tdt.db.shown_work import ShownAttempt, ShownJob
from tdt.domain.actes.deadlines import Deadline
from tdt.domain.actes.explain import expected, explain
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.rules import DEFAULT_NATURES
from tdt.domain.actes.status import STATUS_LABELS
from tdt.domain.explanation import COLLECTIVITE, EXPLOITANT
from tdt.domain.plain import day, instant
from tdt.domain.transmission import Forecast

DOWNLOAD = "/modules/actes/actes_download_file.php"
TYPES: Mapping[int, str] = {
    MessageCode.ACTE: "Transmission d'un acte",
    MessageCode.COURRIER_SIMPLE: "Courrier simple",
    MessageCode.PIECES_COMPLEMENTAIRES: "Demande de pièces complémentaires",
    MessageCode.LETTRE_OBSERVATIONS: "Lettre d'observations",
    MessageCode.DEFERE_TA: "Déféré au tribunal administratif",
    MessageCode.ANNULATION: "Annulation",
    MessageCode.CLASSIFICATION: "Demande de classification",
}
ANSWERS: Mapping[tuple[int, int], str] = {
    (2, 2): "Réponse à un courrier simple",
    (3, 3): "Refus d'envoyer les pièces demandées",
    (3, 4): "Envoi des pièces demandées",
    (4, 3): "Rejet de la lettre d'observations",
    (4, 4): "Réponse à la lettre d'observations",
}
FROM_THE_STATE = (ActeStatus.DOCUMENT_RECU, ActeStatus.DOCUMENT_RECU_SANS_AR)
ROLES = ("message", "acte")
"""By position of the file; what stands after is an annexe."""


@dataclass(frozen=True, slots=True)
class Life:
    """All that was gathered of a transaction."""

    acte: Acte
    depositor: Depositor
    steps: Sequence[Step]
    files: Sequence[ShownFile]
    envelope: ShownEnvelope
    attempts: Sequence[ShownAttempt]
    jobs: Sequence[ShownJob]
    reports: Sequence[Report]
    relatives: Sequence[Relative]
    deadlines: Sequence[Deadline]
    departure: Forecast | None = None
    held: str = ""
    """Why it is held: a suspension, or an operator."""
    alert_at: datetime | None = None
    """When an operator is told that its status lasts."""


def tell(life: Life, operator: bool) -> dict[str, object]:
    """Plain data, in the order in which people read it. Instants are in UTC."""
    acte = life.acte
    return {
        "id": acte.id,
        **_act(life),
        "status": _status(life),
        "problem": _problem(life),
        "expected": _expected(life),
        "departure": life.departure.plain() if life.departure is not None else None,
        "held": life.held or None,
        "deposited": {
            "at": instant(acte.submitted_at),
            "authority_id": acte.authority_id,
            "authority": life.depositor.authority,
            "siren": life.depositor.siren,
            "account_id": acte.account_id,
            "account": life.depositor.account,
            "origin": life.depositor.origin,
        },
        "received_on": day(life.depositor.received_on),
        "archive_url": life.depositor.archive_url or None,
        "workflow": [_step(life, number, step) for number, step in enumerate(life.steps)],
        "files": [_file(file) for file in life.files],
        "envelope": _envelope(life.envelope),
        "attempts": [attempt.plain() for attempt in life.attempts],
        "pending": [job.plain(operator) for job in life.jobs],
        "reports": [_report(report) for report in life.reports],
        "deadlines": [_deadline(deadline) for deadline in life.deadlines],
        "about": next((_relative(one) for one in life.relatives if one.id == acte.related_id), None),
        "related": [_relative(one) for one in life.relatives if one.id != acte.related_id],
    }


def _act(life: Life) -> dict[str, object]:
    acte = life.acte
    nature = next((nature for nature in DEFAULT_NATURES if nature.code == acte.nature_code), None)
    return {
        "type": acte.type,
        "message": message_code(acte.type, acte.type_reponse),
        "label": label(acte.type, acte.type_reponse),
        "unique_id": acte.unique_id,
        "number": acte.number,
        "subject": acte.subject,
        "decision_date": day(acte.decision_date),
        "nature": {"code": acte.nature_code, "label": nature.label if nature else ""} if acte.nature_code else None,
        "classif": ".".join(map(str, acte.classif)),
        "classification_date": day(acte.classification_date),
        "document_papier": acte.document_papier,
    }


def message_code(kind: int, answer: int | None) -> str:
    """The code T-M of the message: 1-1 of an act, 3-4 of an answer."""
    return f"{kind}-{answer or 1}"


def label(kind: int, answer: int | None) -> str:
    """What a person calls it."""
    return ANSWERS.get((kind, answer or 0)) or TYPES.get(kind, "")


def entered(life: Life) -> datetime:
    """When it came to its status: notes made in it since do not count."""
    since = life.acte.submitted_at
    for step in reversed(life.steps):
        if step.status != life.acte.status:
            break
        since = step.at
    return since


def _since(life: Life) -> dict[str, object]:
    return {"since": instant(entered(life))}


def _status(life: Life) -> dict[str, object]:
    status, steps = life.acte.status, life.steps
    return {
        "code": int(status),
        "label": STATUS_LABELS[status],
        "since": instant(entered(life)),
        "message": steps[-1].message if steps else "",
    }


def _problem(life: Life) -> dict[str, object] | None:
    if life.acte.status is not ActeStatus.ERREUR:
        return None
    message = life.steps[-1].message if life.steps else ""
    told = explain(message)
    return {"code": told.code, "message": message, "cause": told.cause, "who": told.who, "remedy": told.remedy}


def _expected(life: Life) -> dict[str, object] | None:
    if any(job.state == "dead" for job in life.jobs):
        return {"who": EXPLOITANT, "what": "reprendre ce traitement, mis de côté", **_since(life), "alert_at": None}
    acte = life.acte
    if acte.type == MessageCode.COURRIER_SIMPLE and acte.status is ActeStatus.TRANSMIS:
        return None  # the ministry answers nothing to a 2-2
    awaited = expected(acte.status)
    if awaited is not None:
        return {"who": awaited.who, "what": awaited.what, **_since(life), "alert_at": instant(life.alert_at)}
    own = [one for one in life.deadlines if one.letter == acte.id]
    on_the_way = any(one.related_id == acte.id and one.status is not ActeStatus.ERREUR for one in life.relatives)
    if own and not on_the_way:
        what = f"répondre à la préfecture avant le {own[0].on:%d/%m/%Y} inclus"
        return {"who": COLLECTIVITE, "what": what, **_since(life), "alert_at": None}
    return None


def _step(life: Life, number: int, step: Step) -> dict[str, object]:
    return {
        "status": int(step.status),
        "label": STATUS_LABELS[step.status],
        "at": instant(step.at),
        "message": step.message,
        "by": _by(life, number, step),
        "state_bytes": step.flux_size,
    }


def _by(life: Life, number: int, step: Step) -> dict[str, object]:
    if step.account_id is not None:
        return {"kind": "account", "account_id": step.account_id, "name": step.account}
    if step.flux_size is not None or step.status in FROM_THE_STATE:
        return {"kind": "state"}
    if number == 0 and life.acte.account_id is not None:
        return {"kind": "account", "account_id": life.acte.account_id, "name": life.depositor.account}
    return {"kind": "tdt"}


def _file(file: ShownFile) -> dict[str, object]:
    return {
        "id": file.id,
        "position": file.position,
        "role": ROLES[file.position] if file.position < len(ROLES) else "annexe",
        "name": file.name,
        "posted_filename": file.posted_filename,
        "mimetype": file.mimetype,
        "size": file.size,
        "sha256": file.sha256.hex(),
        "code_pj": file.code_pj,
        "detached_signature": file.signed,
        "download": f"{DOWNLOAD}?file={file.id}",
    }


def _envelope(envelope: ShownEnvelope) -> dict[str, object]:
    built = envelope.content_id is not None and envelope.sha256 is not None
    return {
        "id": envelope.id,
        "name": envelope.name,
        "archive_name": envelope.archive_name,
        "received": envelope.received,
        "size": envelope.size,
        "sha256": envelope.sha256.hex() if envelope.sha256 is not None else None,
        "download": f"{DOWNLOAD}?env={envelope.id}" if built else None,
        "route": {"id": envelope.route_id, "name": envelope.route, "test": envelope.test},
    }


def _report(report: Report) -> dict[str, object]:
    return {
        "position": report.position,
        "aspect": report.aspect,
        "verdict": report.verdict,
        "at": instant(report.at),
        "data": dict(report.data),
    }


def _deadline(deadline: Deadline) -> dict[str, object]:
    return {
        "kind": str(deadline.kind),
        "on": day(deadline.on),
        "since": day(deadline.since),
        "reason": deadline.reason,
        "letter": deadline.letter,
    }


def _relative(one: Relative) -> dict[str, object]:
    return {
        "id": one.id,
        "about": one.related_id,
        "message": message_code(one.type, one.type_reponse),
        "label": label(one.type, one.type_reponse),
        "status": {"code": int(one.status), "label": STATUS_LABELS[one.status]},
        "at": instant(one.submitted_at),
        "received_on": day(one.received_on),
        "letter_date": day(one.letter_date),
        "letter_text": one.letter_text,
        "read_at": instant(one.read_at),
    }
