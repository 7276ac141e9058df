"""Keep what an acquit or a PES_Retour says, in the transaction that gives it to a flow or to a collectivité."""

from tdt.db.helios_news import Budget, insert_news
from tdt.db.helios_verdicts import KeptVerdict, insert_verdict
from tdt.db.pool import Connection
from tdt.db.routes import Received
from tdt.domain.helios.model import DgfipReturn
from tdt.domain.helios.news import News
from tdt.domain.helios.verdict import Verdict
from tdt.domain.helios.verdict_text import keep_counts, keep_elements
from tdt.domain.ids import AuthorityId, HeliosId, HeliosRetourId


async def keep_verdict(
    connection: Connection, received: Received, answer: DgfipReturn, flow: HeliosId, owner: AuthorityId
) -> None:
    """What an acquit says of its flow; it was read in the pass that told whose it is."""
    said = answer.content
    if isinstance(said, Verdict):
        kept = KeptVerdict(
            received.content_id, received.name, str(said.outcome), keep_counts(said), keep_elements(said)
        )
        await insert_verdict(connection, owner, flow, kept)


async def keep_news(connection: Connection, answer: DgfipReturn, retour: HeliosRetourId, owner: AuthorityId) -> None:
    """What a PES_Retour says of the mandats and titres of its collectivité."""
    said = answer.content
    if isinstance(said, News):
        budget = Budget((answer.cod_col or "").strip(), (answer.cod_bud or "").strip())
        await insert_news(connection, owner, retour, budget, said)
