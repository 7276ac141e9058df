"""The antivirus in a whole installation: a clean act arrives, an infected one says why it does not."""

import os

from tests.clamd import FOUND_MARK, MARK, Clamd
from tests.journeys.running import acte_status, fresh, post_acte, until
from tests.pdf_files import PDF


def test_an_infected_act_does_not_leave(clamd: Clamd) -> None:
    with fresh(os.environ | {"TDT_ANTIVIRUS": clamd.address}) as sandbox:
        client = sandbox.client("certonly")
        clean, infected = (
            post_acte(client, "SAIN"),
            post_acte(client, "INFECTE", PDF.replace(b"%%EOF", MARK + b"\n%%EOF")),
        )
        refused = until(lambda: told(acte_status(client, infected)), 30, "refused")
        assert f"« {FOUND_MARK} »" in refused
        until(lambda: acte_status(client, clean)[0] == 4 or None, 30, "AR")
        [name] = [one["name"] for one in sandbox.control("/prefecture/received") if one["metadata"]["acts"]]
        assert name.startswith("TDT-TACT--123456782-")


def told(status: tuple[int, bytes]) -> str | None:
    return status[1].decode("latin-1", "replace") if status[0] == -1 else None
