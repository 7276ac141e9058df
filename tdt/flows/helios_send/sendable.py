"""Whether a checked flow may be sent at all: its labels, and its bytes as they are now; a fault turns it to -1."""

from tdt.db import attempts as attempts_db
from tdt.db import helios as db
from tdt.db.authorities import get_authority
from tdt.deps import Deps
from tdt.domain.errors import Refused
from tdt.domain.helios import rules
from tdt.domain.helios.model import HeliosStatus, PesHeader
from tdt.domain.ids import HeliosId
from tdt.flows.helios_send.analyse import refuse, refuse_altered
from tdt.flows.helios_send.reading import read_sha1


async def is_sendable(deps: Deps, transaction_id: HeliosId) -> bool:
    """The labels of what was never sent are looked at first. A fault turns the flow to -1."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, transaction_id)
        if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return False
        authority = await get_authority(connection, found.authority_id)
        attempts = await attempts_db.list_attempts(connection, db.OBJECT, transaction_id)
    if any(one.is_uncertain for one in attempts):
        return True  # it may have arrived: it is settled or sent again as it was, never refused
    try:
        rules.check_sendable(_header(found), authority.p_dest if authority is not None else "", found.id)
    except Refused as refusal:
        async with deps.transaction("system") as connection:
            await refuse(connection, found, refusal.message)
        return False
    return True


async def is_unaltered(deps: Deps, found: db.HeliosTransaction) -> bool:
    """Are its bytes those that were deposited, or signed? If not, the flow turns to -1."""
    try:
        sha1 = await read_sha1(deps, found.authority_id, found.content_id)
        rules.check_unaltered(sha1 == found.sha1, found.id)
    except Refused as refusal:
        async with deps.transaction("system") as connection:
            await refuse_altered(deps, connection, found, refusal.message)
        return False
    return True


def _header(found: db.HeliosTransaction) -> PesHeader:
    """The header as the analysis stored it."""
    values = (found.xml_cod_col, found.xml_cod_bud, found.xml_id_post, found.xml_id_coll)
    return PesHeader(
        root=found.root or "",
        namespace="",
        typ_fic=None,
        nomfic=found.xml_nomfic,
        cod_col=found.xml_cod_col,
        cod_bud=found.xml_cod_bud,
        id_post=found.xml_id_post,
        id_coll=found.xml_id_coll,
        domains=(),
        signed=False,
        has_header=any(values),
    )
