"""Actes and PES of every size, no two alike: what they hold follows from the seed and their number."""

import base64
import hashlib
import random
from dataclasses import dataclass
from datetime import date

from tdt.sandbox.client import Upload
from tdt.sandbox.samples import PES_ALLER
from tests.chaos.ledger import Flow, Sent
from tests.chaos.tenants import Tenant
from tests.pdf_files import small_pdf

KIB, MIB = 1 << 10, 1 << 20
PDF = "application/pdf"
DECISION = "2025-06-12"


@dataclass(frozen=True, slots=True)
class Deposit:
    """A flow with its bytes."""

    flow: Flow
    fields: tuple[tuple[str, str], ...]
    uploads: tuple[Upload, ...]


def choose_size(chance: random.Random) -> int:
    """Mostly a few KiB; sometimes enough for the spool; a few are large."""
    kind = chance.random()
    if kind < 0.6:
        return chance.randrange(1 * KIB, 12 * KIB)
    if kind < 0.985:
        return chance.randrange(12 * KIB, 900 * KIB)
    return chance.randrange(2 * MIB, 30 * MIB)


def make_acte(tenant: Tenant, number: str, chance: random.Random) -> Deposit:
    """A délibération with up to two annexes; every second one is mailed about."""
    sizes = [min(choose_size(chance), 8 * MIB) for _ in range(1 + chance.choice((0, 0, 1, 2)))]
    pdfs = [small_pdf(chance.randbytes(size)) for size in sizes]
    uploads = [Upload("acte_pdf_file", f"{number}.pdf", pdfs[0], PDF)]
    uploads += [Upload("acte_attachments[]", f"{number} annexe {n}.pdf", pdf, PDF) for n, pdf in enumerate(pdfs[1:], 1)]
    fields = [
        ("api", "1"),
        ("nature_code", "1"),
        ("classif1", "3"),
        ("classif2", "1"),
        ("number", number),
        ("decision_date", DECISION),
        ("subject", f"Acquisition d'une parcelle, {number}"),
        ("type_acte", "99_DE"),
        *[("type_pj[]", "31_DP")] * (len(pdfs) - 1),
    ]
    if chance.random() < 0.5:
        fields.append(("broadcast_email", f"{number.lower()}@chaos.example"))
    return Deposit(_flow(number, tenant, "acte", uploads), tuple(fields), tuple(uploads))


def make_pes(tenant: Tenant, name: str, chance: random.Random, size: int = 0) -> Deposit:
    """A mandat with a PJ as large as asked."""
    day = date(2025, 6, 12)
    piece = base64.b64encode(chance.randbytes((size or choose_size(chance)) * 3 // 4))
    quoted = {
        "nom_fic": name,
        "day": day.isoformat(),
        "year": str(day.year),
        "siret": tenant.payer.siret,
        "label": tenant.payer.name[:38],
        "pj_id": f"{tenant.payer.siret}{name}",
        "pj_name": f"{name}.pdf",
    }
    values = {key: f'"{value}"' for key, value in quoted.items()}
    data = PES_ALLER.format(**values, pj=piece.decode("ascii")).encode("iso-8859-1")
    upload = Upload("enveloppe", f"{name}.xml", data, "text/xml")
    return Deposit(_flow(name, tenant, "pes", [upload]), (), (upload,))


def _flow(key: str, tenant: Tenant, kind: str, uploads: list[Upload]) -> Flow:
    files = tuple(Sent(one.name, hashlib.sha256(one.data).hexdigest(), len(one.data)) for one in uploads)
    return Flow(key, tenant.key, kind, files)
