"""What the steps of a sending share: who sends, and how all that an envelope holds is refused and told."""

from tdt.db import actes as db
from tdt.db.accounts import Contact, get_contact
from tdt.db.authorities import get_authority
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes import envelope
from tdt.domain.actes.model import ActeStatus, Emitter
from tdt.domain.altered_text import write_altered
from tdt.domain.errors import Permanent


async def refuse(connection: Connection, actes: list[db.Acte], message: str) -> None:
    """Turn these transactions to -1."""
    for acte in actes:
        await db.move_status(connection, acte, db.Move(acte.status, ActeStatus.ERREUR, message))


async def tell_altered(deps: Deps, connection: Connection, actes: list[db.Acte], message: str) -> None:
    """Tell the operators of what was refused because its bytes changed: they lie with us."""
    text = write_altered([f"actes:{one.id}" for one in actes], message, "tdt admin actes put-again")
    await deps.tell_operators(connection, ("acte.altered", f"acte_envelope:{actes[0].envelope_id}"), text)


async def emitter_of(deps: Deps, connection: Connection, sent: db.Envelope) -> Emitter:
    """The collectivité, its referent and its return addresses, as the envelope says them."""
    authority = await get_authority(connection, sent.authority_id)
    if authority is None:
        raise Permanent("L'enveloppe n'a plus de collectivité.", details={"envelope_id": sent.id})
    contact = await get_contact(connection, sent.account_id) if sent.account_id is not None else None
    contact = contact or Contact(authority.name, authority.email, authority.telephone)
    addresses = [*deps.config.actes.return_addresses, contact.email, authority.email]
    return Emitter(
        siren=authority.siren,
        department=authority.department,
        district=authority.district,
        nature=authority.nature,
        referent_name=contact.name or authority.name,
        referent_telephone=contact.telephone or authority.telephone,
        referent_email=contact.email or authority.email,
        # one bad address would make the whole envelope invalid: drop it
        return_addresses=tuple(dict.fromkeys(one for one in addresses if envelope.valid_return_address(one))),
    )
