"""What the DGFiP says of a PES, over the wire: the shape of the JSON, the refusals."""

import json
from typing import Any

import pytest

from tdt.db.helios_verdicts import KeptVerdict, insert_verdict
from tdt.domain.ids import ContentId, HeliosId
from tdt.domain.text import ascii_only
from tests.wire import test_helios_api as helios
from tests.wire.stack import Stack

UNKNOWN = {"status": "error", "error-message": "Numéro de transaction invalide."}
KEPT: dict[str, Any] = {
    "kind": "pj",
    "domain": "4",
    "exercice": "",
    "number": "ESSAI0002",
    "state": "rejected",
    "anomalies": [{"code": "ERREUR_DOUBLON_PJ", "label": "1984 - L'identifiant unique de la PJ a déjà été intégré"}],
    "pieces": [],
}
