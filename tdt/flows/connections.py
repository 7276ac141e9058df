"""Connections that were closed for their certificate: leave a trace for the security officer."""

from tdt.db.audit import insert_audit
from tdt.deps import Deps
from tdt.domain.identity import Identity


async def record_refused(deps: Deps, identity: Identity, reason: str) -> None:
    """Audit a connection that was closed without an answer; the certificate may be nobody's, so nobody owns the row."""
    data = {
        "reason": reason,
        "certificate_hash": identity.certificate_hash,
        "subject": identity.subject_dn,
        "issuer": identity.issuer_dn,
    }
    async with deps.transaction("system") as connection:
        await insert_audit(connection, (None, None), "tls:certificate:refused", data=data)
