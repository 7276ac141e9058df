"""The simulated State failing in every way of its control API: each one in turn, for some seconds, while flows come."""

import asyncio
import http.client
import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tdt.domain.actes.model import ActeStatus
from tests.chaos.odd import CLASSIFICATION, MAILS, NEWER_CLASSIFICATION, ODD
from tests.chaos.tenants import TENANTS
from tests.chaos.timeline import Timeline

T = TypeVar("T")
CREDENTIALS = ("campagne", "mot de passe & accents é")
"""What the préfecture asks of us, unless told otherwise."""
ORDERS = ("first", "last")
"""In which mails that were held leave."""
NORMAL_SECONDS = (0.5, 2.0)
"""Between two behaviours: what was delayed by one is taken before the next."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Keys of `POST /SIMULATOR/behaviour`, and for how long."""

    changes: Mapping[str, Any]
    seconds: float = 3.0

    @property
    def detail(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.changes.items())


PREFECTURE = (
    Behaviour({"answer": "auto"}),
    Behaviour({"answer": "silence"}, 1.0),
    Behaviour({"answer": "anomaly:005"}, 1.0),
    Behaviour({"answer": "anomaly:ERREUR2"}, 1.0),
    Behaviour({"answer": "envelope-anomaly:003"}, 1.0),
    Behaviour({"delay": 6.0}),
    Behaviour({"http_status": 200}),
    Behaviour({"http_status": 202}),
    Behaviour({"http_status": 302}),
    Behaviour({"http_status": 404}),
    Behaviour({"http_status": 503}),
    Behaviour({"outage": True}),
    Behaviour({"outage": "/"}),
    Behaviour({"closed": True}),
    Behaviour({"hang": 6}),
    Behaviour({"credentials": "un:autre"}),
    Behaviour({"credentials": None}),
    Behaviour({"duplicate_mail": True}),
    Behaviour({"hold": "always"}),
    Behaviour({"hold": "closed days"}),
    Behaviour({"mail_shape": "logo"}),
    Behaviour({"mail_shape": "nested"}),
    Behaviour({"encoding": "utf-8 as latin-1"}),
    Behaviour({"echo_papier": False}),
    Behaviour({"serial_offset": 52790}),
)
PREFECTURE_NORMAL: Mapping[str, Any] = {
    **{"answer": "ar", "delay": 0.5, "http_status": 201, "outage": False, "closed": False, "hang": 0},
    **{
        "credentials": ":".join(CREDENTIALS),
        "duplicate_mail": False,
        "hold": "never",
        "mail_shape": "plain",
        "encoding": "latin-1",
    },
    **{"echo_papier": True, "serial_offset": 0},
}
DGFIP = (
    *(
        Behaviour({"acquit": kind}, 2.0)
        for kind in ("auto", "v1", "ko", "ko_piece", "ko_bordereau", "ko_pj", "duplicate")
    ),
    *(Behaviour({"acquit": kind}, 1.0) for kind in ("technical", "stray", "no_codcol", "never")),
    Behaviour({"delay": 6.0}),
    Behaviour({"outage": True}),
    Behaviour({"cut_at": 0}),
    Behaviour({"cut_at": 2000}),
    Behaviour({"cut_at": 200_000}),
    Behaviour({"retours": "paid", "retour_delay": 0.5}),
    Behaviour({"retours": "rejected", "retour_delay": 0.2}),
)
DGFIP_NORMAL: Mapping[str, Any] = {
    **{"acquit": "ok", "delay": 0.5, "outage": False, "cut_at": None, "retours": "none", "retour_delay": 0.5}
}


@dataclass(slots=True)
class State:
    """The control API, and when what was asked of it."""

    control: str
    timeline: Timeline
    chance: random.Random
    retours: dict[str, str] = field(default_factory=dict)
    """The names of the PES_Retour that were asked for, and the SIRET of each."""

    async def misbehave(self, simulator: str, ways: Sequence[Behaviour], normal: Mapping[str, Any]) -> None:
        """Each way in turn, in an order of the seed, until cancelled."""
        for way in self._turns(ways):
            await asyncio.sleep(self.chance.uniform(*NORMAL_SECONDS))
            with self.timeline.during(simulator, way.detail):
                await self._ask(f"/{simulator}/behaviour", way.changes)
                await asyncio.sleep(way.seconds)
                await self._ask(f"/{simulator}/behaviour", {key: normal[key] for key in way.changes})
                await self._after(way)

    async def send_odd_things(self) -> None:
        """What the State sends by itself, sound or not, until cancelled."""
        for number, kind in enumerate(self._turns(ODD)):
            await asyncio.sleep(self.chance.uniform(2.0, 5.0))
            path, asked = kind
            body = await self._fill(path, dict(asked), number)
            if body is None:
                continue
            with self.timeline.during("odd", f"{path} {' '.join(str(value)[:14] for value in asked.values())}"):
                answer = await self._ask(path, body)
            if path == "/dgfip/retour":
                self.retours[answer["name"]] = body["id_coll"]

    async def _fill(self, path: str, body: dict[str, Any], number: int) -> Any:
        """The values that are chosen when it is sent; None when there is nothing to choose from."""
        if body.get("id_coll") == "":
            body["id_coll"] = self.chance.choice(TENANTS).payer.siret
        if "id_acte" in body:
            acts = await self._ask("/prefecture/acts")
            if not acts:
                return None
            body["id_acte"] = self.chance.choice(acts)["id_acte"]
        if path == "/dgfip/deposit":
            body["name"] = f"fichier_{number}.bin"
        return MAILS[body["mail"]] if path == "/prefecture/mail" else body

    async def publish_classification(self, after: float) -> None:
        """A newer one, once: acts that bear the one before are refused until their collectivité has asked for it."""
        await asyncio.sleep(after)
        with self.timeline.during("odd", CLASSIFICATION):
            await self._ask(CLASSIFICATION, {"date": NEWER_CLASSIFICATION.isoformat()})

    async def calm(self) -> None:
        """Everything as by default; what is held leaves."""
        await self._ask("/prefecture/behaviour", PREFECTURE_NORMAL)
        await self._ask("/dgfip/behaviour", DGFIP_NORMAL)
        await self._ask("/prefecture/release", {"order": "first"})

    async def _after(self, way: Behaviour) -> None:
        if "hold" in way.changes:
            await self._ask("/prefecture/release", {"order": self.chance.choice(ORDERS)})

    def _turns(self, ways: Sequence[T]) -> Iterator[T]:
        while True:
            yield from self.chance.sample(list(ways), len(ways))

    async def _ask(self, path: str, body: object = None) -> Any:
        """A simulator that is being started again is waited for."""
        while True:
            try:
                return await asyncio.to_thread(_ask, self.control + path, body)
            except urllib.error.HTTPError as error:
                # an act that was cancelled meanwhile, a name used already: nothing was sent
                assert error.code < 500, (path, error.read()[:300])
                assert error.code == 404, (path, body, error.read()[:300])
                return None
            except (OSError, http.client.HTTPException):
                await asyncio.sleep(0.2)


def _ask(url: str, body: object) -> Any:
    """Bytes are sent as they are."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.loads(answer.read())


LETTER_DONE = frozenset({ActeStatus.DOCUMENT_RECU, ActeStatus.ACQUITTEMENT_ENVOYE, ActeStatus.DOCUMENT_RECU_SANS_AR})
"""A letter of the préfecture is at rest here: received, acknowledged where it must be."""
