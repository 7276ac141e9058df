"""The main job with RabbitMQ as the doorbell, and without it in the middle of the day."""

import os
import time

from tests.journeys.flows import small_pes
from tests.journeys.running import acte_status, fresh, pes_status, post_acte, post_pes, until
from tests.services import RabbitNode


def test_arrives_within_five_seconds_and_survives_the_broker(rabbit: RabbitNode) -> None:
    with fresh(os.environ | {"TDT_QUEUE_URL": rabbit.url()}) as sandbox:
        client = sandbox.client("certonly")
        started = time.monotonic()
        acte, pes = post_acte(client, "LAPIN"), post_pes(client, small_pes("LAPIN"))
        until(lambda: acte_status(client, acte)[0] == 4 or None, 5, "AR")
        until(lambda: pes_status(client, pes) == 8 or None, 5 - (time.monotonic() - started), "acquit")
        rabbit.stop()
        without = post_acte(client, "SANS_LAPIN")
        until(lambda: acte_status(client, without)[0] == 4 or None, 30, "AR without the broker")
        rabbit.start()
        again = post_acte(client, "AVEC_LAPIN")
        until(lambda: acte_status(client, again)[0] == 4 or None, 30, "AR with the broker back")
