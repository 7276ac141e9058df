"""The life of a transaction as a text for a terminal; instants in Paris."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tdt.admin.flow_signatures import signature_lines
from tdt.admin.schema_text import report_lines
from tdt.admin.verdict_text import news_lines, verdict_lines
from tdt.domain.actes.budget import AMOUNTS
from tdt.domain.calendar import PARIS

Life = Mapping[str, Any]

OUTCOMES = {"accepted": "accepté", "failed": "échec", "uncertain": "incertain", "settled": "arrivé (établi ensuite)"}
ASPECTS = {"reading": "lecture", "schema": "schéma"}
VERDICTS = {"passed": "bon", "refused": "REFUSÉ", "not_applicable": "sans objet", "pending": "à refaire"}
STATES = {"ready": "à faire", "running": "en cours", "dead": "MIS DE CÔTÉ"}
DEADLINES = {
    "defere": "déféré",
    "controle_budgetaire": "contrôle budgétaire",
    "reponse": "réponse attendue",
    "fermeture": "fermeture",
}
RETURNED = {
    "new": "à lire",
    "handled": "appliqué",
    "ignored": "déjà reçu",
    "set_aside": "DANS LA BOÎTE DE L'EXPLOITANT",
    "dismissed": "écarté par l'exploitant",
}
ALERTS = {"posted": "contrôles trop longs", "waiting": "ne part pas", "acquit": "sans acquit"}
KIB = 1024
INFORMED = ("schema", "refused")
WOULD_BE_REFUSED = "la DGFiP le refuserait"
"""Here nothing is refused for it."""
MOST_SHOWN = 10
"""Findings of one report."""


def lines_of(life: Life) -> Iterator[str]:
    """Every line, the title first; an empty part is left out."""
    code = f" ({life['message']})" if "message" in life else ""
    yield f"{life['flow']} · {life['label']}{code}"
    yield from _facts(life)
    for title, lines in (
        ("Cycle de vie", (_step(one) for one in life["workflow"])),
        ("Verdict de la DGFiP", verdict_lines(life)),
        ("Nouvelles de la trésorerie", news_lines(life)),
        ("Fichiers", (_file(one) for one in life["files"])),
        ("Envois", (_attempt(one) for one in life["attempts"])),
        ("Envois incertains", (_doubt(one) for one in life.get("doubts", ()))),
        ("Traitements", (_job(one) for one in life["pending"])),
        ("Contrôles", (_report(one) for one in life.get("reports", ()))),
        ("Reçu de la DGFiP", (_returned(one) for one in life.get("received", ()))),
        ("Alertes", (_alert(one) for one in life.get("alerts", ()))),
        ("Délais", (_deadline(one) for one in life.get("deadlines", ()))),
        ("Échanges", (_relative(one) for one in _relatives(life))),
    ):
        told = list(lines)
        if told:
            yield ""
            yield title
            yield from (f"  {line}" for line in told)


def _facts(life: Life) -> Iterator[str]:
    status, deposited = life["status"], life["deposited"]
    yield from _pairs(
        ("État", f"{status['label']} ({status['code']}) depuis le {_at(status['since'])}"),
        ("Message", status["message"]),
    )
    if problem := life.get("problem"):
        yield from _pairs(
            ("Cause", f"{problem['cause']} [{problem['code']}]"),
            ("À faire par", problem["who"]),
            ("Remède", problem["remedy"]),
        )
    if first := life.get("first_copy"):
        owner = f"{first['authority'] or 'une collectivité supprimée'} (n° {first['authority_id']})"
        yield from _pairs(("Premier flux", f"{first['flow']}, {owner} ; à ne pas dire à la collectivité"))
    if awaited := life["expected"]:
        yield from _pairs(("Attendu", f"{awaited['who']} : {awaited['what']}{_deadline_of(awaited)}"))
    if departure := life.get("departure"):
        when = _at(departure["at"]) if departure["at"] else "inconnu"
        yield from _pairs(("Départ prévu", f"{when}{' — ' if departure['reason'] else ''}{departure['reason']}"))
    yield from _pairs(("Retenu", life.get("held")))
    yield from _pairs(
        ("Collectivité", f"{deposited['authority']} ({deposited['siren']}, n° {deposited['authority_id']})"),
        ("Déposé", f"{_at(deposited['at'])} par {deposited['account'] or 'un compte inconnu'}"),
        ("Origine", deposited["origin"] if deposited["origin"] != "tdt" else ""),
        ("IDActe", life.get("unique_id")),
        ("Objet", life.get("subject")),
        ("Décision", life.get("decision_date")),
        ("Nature", _nature(life)),
        ("Matière", life.get("classif")),
        ("AR du", life.get("received_on")),
        ("NomFic", life.get("nomfic")),
        ("Racine", life.get("root")),
        ("En-tête", _header(life)),
    )
    if envelope := life.get("envelope"):
        digest = f", SHA-256 {envelope['sha256']}" if envelope["sha256"] else ""
        yield from _pairs(
            ("Enveloppe", envelope["name"]),
            ("Archive", f"{envelope['archive_name']} ({_size(envelope['size'])}{digest})"),
        )
    route = life["route"] if "route" in life else life["envelope"]["route"]
    transport = f", {route['transport']}" if "transport" in route else ""
    test = ", essai" if route["test"] else ""
    yield from _pairs(("Route", f"{route['name']} (n° {route['id']}){transport}{test}"))


def _header(life: Life) -> str:
    return ", ".join(f"{name} {value}" for name, value in life.get("header", {}).items() if value)


def _deadline_of(awaited: Life) -> str:
    """Since when, and when the operator is told that it lasts."""
    alert = f", alerte le {_at(awaited['alert_at'])}" if awaited.get("alert_at") else ""
    return f" (depuis le {_at(awaited['since'])}{alert})" if awaited.get("since") else ""


def _nature(life: Life) -> str:
    nature = life.get("nature")
    return f"{nature['code']} {nature['label']}".strip() if nature else ""


def _pairs(*pairs: tuple[str, object]) -> Iterator[str]:
    for name, value in pairs:
        if value:
            yield f"  {name:<13} {value}"


def _step(one: Life) -> str:
    by = one["by"]
    names = {
        "account": by.get("name") or "un compte",
        "operator": f"l'exploitant, {by.get('name')}",
        "state": "l'État",
    }
    who = names.get(by["kind"], "tdt")
    return f"{_at(one['at'])}  {one['status']:>3} {one['label']} — {one['message'] or '(sans message)'} [{who}]"


def _file(one: Life) -> str:
    posted = f" « {one['posted_filename']} »" if one.get("posted_filename") else ""
    kind = " ".join(str(one[key]) for key in ("code_pj", "mimetype") if one.get(key))
    digest = f" {one['sha256']}" if one.get("sha256") else ""
    return f"{one['role']:<8} {one['name'] or '(pas encore nommé)'}{posted} {kind} {_size(one['size'])}{digest}"


def _attempt(one: Life) -> str:
    end = f" → {_at(one['ended_at'])}" if one["ended_at"] else ""
    more = " · ".join(text for text in (one["detail"], one["clause"]) if text)
    return (
        f"{_at(one['started_at'])}{end}  {OUTCOMES[one['outcome']]}  {one['name']} {_size(one['size'])} {more}".rstrip()
    )


def _doubt(one: Life) -> str:
    latest = f", au plus tard le {_at(one['decided_at'])}" if one["decided_at"] else ""
    return f"{_at(one['started_at'])}  {one['name']} : ce qui le tranche : {one['decided_by']}{latest}"


def _returned(one: Life) -> str:
    state = RETURNED.get(one["state"], one["state"])
    why = f" — {one['detail']}{f' [{code}]' if (code := one['code']) else ''}" if one["detail"] else ""
    probably = " (sans doute pour ce flux)" if one["proposed"] else ""
    return f"{_at(one['at'])}  {one['kind'] or '?'} {one['name']} {_size(one['size'])}, {state}{probably}{why}"


def _alert(one: Life) -> str:
    return f"{_at(one['told_at'])}  {ALERTS.get(one['kind'], one['kind'])}, depuis le {_at(one['since'])}"


def _job(one: Life) -> str:
    error = f" — {one['last_error']}" if one["last_error"] else ""
    return f"{one['kind']}  {STATES[one['state']]}, {_at(one['run_at'])}, {one['attempts']} essai(s){error}"


def _report(one: Life) -> str:
    data = one["data"]
    code = f" [{data['code']}]" if data.get("code") else ""
    file = f"fichier {one['position']}  " if "position" in one else ""
    verdict = WOULD_BE_REFUSED if (one["aspect"], one["verdict"]) == INFORMED else VERDICTS[one["verdict"]]
    head = f"{file}{ASPECTS.get(one['aspect'], one['aspect'])} : {verdict}{code}"
    if one["aspect"] == "reading":
        return f"{head}{_reading(data)}"
    if one["aspect"] == "antivirus" and data.get("found"):
        return f"{head} — {data['found']}"
    if one["aspect"] == "signature" and "position" not in one:
        return "\n    ".join([head, *signature_lines(data)])
    if one["aspect"] == "schema":
        return "\n    ".join([head, *report_lines(data, MOST_SHOWN)])
    return f"{head}{_budget(data)}" if one["aspect"] == "budget" else head


def _reading(data: Life) -> str:
    encoding = data["encoding"]
    reason = f" — {data['reason']}" if data.get("reason") else ""
    return f" — déclaré {encoding['declared'] or 'sans encodage'}, lu comme {encoding['seen']}{reason}"


def _budget(data: Life) -> str:
    if "exercice" not in data:
        return f" — {data['reason']}" if data.get("reason") else ""
    told = f" — {data['nature_decision']['label']} {data['exercice']}, {data['nomenclature']}, {data['lignes']} lignes"
    for total in data["totaux"]:
        amounts = ", ".join(f"{name} {total['montants'][name]}" for name in AMOUNTS if name in total["montants"])
        told += f"\n      {total['section']}, {total['sens']} : {amounts or 'aucun montant'}"
    return told


def _deadline(one: Life) -> str:
    letter = f" (courrier actes:{one['letter']})" if one["letter"] else ""
    return f"{one['on']}  {DEADLINES.get(one['kind'], one['kind'])} : {one['reason']} du {one['since']}{letter}"


def _relatives(life: Life) -> list[Life]:
    about = [life["about"]] if life.get("about") else []
    return [*about, *life.get("related", ())]


def _relative(one: Life) -> str:
    return f"actes:{one['id']}  {one['message']} {one['label']}, {one['status']['label']}, {_at(one['at'])}"


def _at(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone(PARIS):%d/%m/%Y %H:%M:%S}" if text else "?"


def _size(size: int | None) -> str:
    if size is None:
        return "pas encore construite"
    return f"{size} octets" if size < 10 * KIB else f"{size // KIB} Kio"
