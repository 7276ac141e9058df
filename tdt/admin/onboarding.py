"""`tdt admin onboarding`: what each collectivité still needs before its first sending."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.deps import Deps
from tdt.domain.ids import AuthorityId
from tdt.domain.onboarding import State, is_complete
from tdt.flows import onboarding as flow

STATES = {
    State.DONE: "fait",
    State.WARNING: "à surveiller",
    State.MISSING: "MANQUE",
    State.NOT_APPLICABLE: "sans objet",
}


@click.command("onboarding")
@click.argument("authority", type=int, required=False)
@CONFIG
@JSON
@click.option("--all", "everything", is_flag=True, help="Aussi les collectivités à qui rien ne manque.")
def onboarding(authority: int | None, path: Path, as_json: bool, everything: bool) -> None:
    """Ce qui manque à chaque collectivité pour ouvrir, ou la liste entière de celle-ci."""
    if authority is not None:
        show(run(path, lambda deps: _one(deps, AuthorityId(authority), as_json)), as_json)
    else:
        show(run(path, lambda deps: _all(deps, everything)), as_json)


async def _one(deps: Deps, authority: AuthorityId, as_json: bool) -> list[Row]:
    return [
        {
            "state": str(item.state) if as_json else STATES[item.state],
            "code": item.code,
            "module": str(item.module) if item.module is not None else "",
            "label": item.label,
            "detail": item.detail,
            "remedy": item.remedy,
            "who": str(item.who) if item.who is not None else "",
        }
        for item in await flow.find_checklist(deps, operator(), authority)
    ]


async def _all(deps: Deps, everything: bool) -> list[Row]:
    return [
        {
            "id": opening.id,
            "name": opening.name,
            "complete": is_complete(items),
            "missing": [_code(item.code, item.module) for item in items if item.state is State.MISSING],
            "warnings": [_code(item.code, item.module) for item in items if item.state is State.WARNING],
        }
        for opening, items in await flow.list_checklists(deps, operator())
        if everything or not is_complete(items)
    ]


def _code(code: str, module: object) -> str:
    return f"{code}/{module}" if module is not None else code
