"""The Guichet XML: reads a received flow and decides its acquits, by the behaviour in force when it was received."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tdt.simulators.dgfip_acquit import (
    TECHNICAL,
    Element,
    Fault,
    build_technical,
    build_v1,
    build_v2,
    elements_of,
    refuse_attachment,
    refuse_first,
)
from tdt.simulators.dgfip_reader import Flow, FlowUnreadable, read_flow
from tdt.simulators.dgfip_rules import Rules
from tdt.simulators.dgfip_schema import SchemaPack
from tdt.simulators.journal import Journal

DUPLICATE_BORDEREAU = Fault("ERREUR_DOUBLON_BORDEREAU", "Le bordereau a déjà été intégré dans HELIOS")
DUPLICATE_ATTACHMENT = Fault("ERREUR_DOUBLON_PJ", "1984 - L'identifiant unique de la PJ a déjà été intégré dans HELIOS")

REFUSALS = {"ko": "line", "ko_piece": "piece", "ko_bordereau": "element"}
"""Where the first element is refused, by the mode that orders it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The acquits to send, and the identifiers that this flow has now used."""

    flow: Flow
    token: str
    acquits: tuple[bytes, ...]
    used: tuple[str, ...] = ()


class Guichet:
    """Judges flows; the identifiers already used are in the journal, with the reception that used them."""

    def __init__(self, journal: Journal, schemas: Path | None):
        self._journal = journal
        self._schemas = SchemaPack(schemas) if schemas else None

    def judge(self, path: Path, token: str, mode: str, p_msg_matches: bool | None) -> Verdict | None:
        """None: this flow gets no answer. CPU and disk: call it from a thread. Raises FileNotFoundError."""
        rules = Rules() if mode == "auto" else None
        try:
            flow = read_flow(path, rules)
        except FlowUnreadable as error:
            if mode not in ("auto", "technical") or not error.flow.file_name:
                return None
            return Verdict(error.flow, token, (build_technical(error.flow, error.line, 1, error.reason),))
        elements = elements_of(flow)
        # A PES_ACQUIT_RETOUR is taken silently; a flow without any domain never gets an acquit.
        if flow.root == "PES_ACQUIT_RETOUR" or not flow.header or not elements:
            return None
        if rules is not None:
            return self._judge_automatically(path, _Received(flow, token, elements, p_msg_matches), rules)
        return self._judge_by_order(flow, token, elements, mode)

    def _judge_by_order(self, flow: Flow, token: str, elements: list[Element], mode: str) -> Verdict:
        if mode == "technical":
            return Verdict(flow, token, (build_technical(flow, 1, 1, "rejet technique forcé du simulateur"),))
        if mode in REFUSALS:
            return Verdict(flow, token, (build_v2(flow, refuse_first(flow, elements, REFUSALS[mode])),))
        if mode == "ko_pj":
            return Verdict(flow, token, (build_v2(flow, refuse_attachment(elements, DUPLICATE_ATTACHMENT)),))
        if mode == "stray":
            return Verdict(flow, token, (build_v2(replace(flow, file_name=f"INCONNU-{token[:12]}"), elements),))
        if mode == "no_codcol":
            bare = {name: value for name, value in flow.header.items() if name != "CodCol"}
            return Verdict(flow, token, (build_v2(replace(flow, header=bare), elements),))
        acquit = build_v1(flow, elements) if mode == "v1" else build_v2(flow, elements)
        copies = 2 if mode == "duplicate" else 1
        return Verdict(flow, token, (acquit,) * copies, tuple(key for key in _keys(flow) if key))

    def _judge_automatically(self, path: Path, received: "_Received", rules: Rules) -> Verdict:
        flow, token = received.flow, received.token
        if received.p_msg_matches is False:
            reason = "P_MSG ne correspond pas à EnTetePES"
            return Verdict(flow, token, (build_technical(flow, 1, 1, reason),))
        if self._schemas and (fault := self._schemas.validate(path)):
            return Verdict(flow, token, (build_technical(flow, fault.line, fault.column, fault.message),))
        found = rules.close()
        if found.flow:
            refused = [Element(TECHNICAL, faults=tuple(found.flow))]
            return Verdict(flow, token, (build_v2(flow, refused),))
        elements, used = self._mark(received, [*found.bordereaux, *found.attachments])
        return Verdict(flow, token, (build_v2(flow, elements),), tuple(used))

    def _mark(self, received: "_Received", faults: Sequence[Sequence[Fault]]) -> tuple[list[Element], list[str]]:
        """Give each bordereau and PJ its faults, duplicates included; the identifiers of the accepted ones."""
        marked: list[Element] = []
        used: dict[str, None] = {}
        keys = list(_keys(received.flow))
        for number, element in enumerate(received.elements):
            if number >= len(keys):
                marked.append(element)
                continue
            key, mine = keys[number], tuple(faults[number])
            if key and (key in used or self._taken(key, received.token)):
                is_bordereau = number < len(received.flow.bordereaux)
                mine = (DUPLICATE_BORDEREAU if is_bordereau else DUPLICATE_ATTACHMENT, *mine)
            elif key and not mine:
                used[key] = None
            marked.append(replace(element, faults=mine))
        return marked, list(used)

    def _taken(self, key: str, token: str) -> bool:
        return bool(self._journal.get(self._place(key), token) != token)

    def _place(self, key: str) -> str:
        return f"register/{self._journal.get('generation', 0)}/{key}"

    def register(self, verdict: Verdict) -> None:
        """Remember what this flow used, for the duplicates, and its header, for the PES_Retour of its SIRET."""
        with self._journal.transaction():
            for key in verdict.used:
                if not self._taken(key, verdict.token):
                    self._journal.put(self._place(key), verdict.token)
            siret = verdict.flow.header.get("IdColl", "")
            if siret:
                self._journal.put(f"header/{siret}", verdict.flow.header)
                for one in reversed(verdict.flow.bordereaux):
                    self._journal.put(f"bordereau/{siret}/{one.domain}", asdict(one))

    def known_bordereau(self, siret: str, domain: str) -> Mapping[str, str]:
        """The first bordereau of this domain in the last flow of this SIRET that had one; empty: there was none."""
        found: dict[str, str] = self._journal.get(f"bordereau/{siret}/{domain}", {})
        return found

    def known_header(self, siret: str) -> Mapping[str, str]:
        """EnTetePES of the last flow of this SIRET; empty when there was none."""
        header: dict[str, Any] = self._journal.get(f"header/{siret}", {})
        return header


@dataclass(frozen=True, slots=True)
class _Received:
    flow: Flow
    token: str
    elements: list[Element]
    p_msg_matches: bool | None


def _keys(flow: Flow) -> Iterator[str]:
    """What makes each bordereau, then each PJ, unique (elements_of gives them in this order); empty = unknown."""
    header = flow.header
    budget = "/".join(header.get(name, "") for name in ("IdPost", "CodCol", "CodBud"))
    for bordereau in flow.bordereaux:
        parts = (bordereau.domain, bordereau.exercise, bordereau.kind, bordereau.number)
        yield f"bordereau/{budget}/{'/'.join(parts)}" if bordereau.number else ""
    for unique in flow.attachments:
        yield f"pj/{header.get('IdColl', '')}/{unique}" if unique else ""
