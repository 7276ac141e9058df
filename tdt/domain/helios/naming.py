"""The names and labels under which flows travel to the DGFiP, and those that its directory shows."""

import re
from datetime import date

from tdt.domain.helios.model import Metadata
from tdt.domain.routes import Transport

OWN_PREFIX = "PESALR2_"
PASSTRANS_SEPARATOR = "%%"

_SIREN = re.compile(r"[0-9]{9}", re.ASCII)
_OCRE = re.compile(r"\.ocre?\Z", re.IGNORECASE)
_ZIP = re.compile(r"[0-9a-f]{40}\.zip\Z")
_PART = re.compile(r"\.(.+)\.part\Z", re.DOTALL)
_OWN_PASSTRANS = re.compile(r".+%%.+%%PES#.*%%[0-9a-f]{40}\Z", re.DOTALL)


def transmitted_name(siren: str, day: date, number: int) -> str:
    """`PESALR2_<SIREN>_<yymmdd>_<NNN>.xml`; `day` is the day in Paris, `number` counts the files of that day."""
    if not _SIREN.fullmatch(siren) or number < 1:
        raise ValueError("a SIREN of nine digits and a number from 1 on are needed")
    # Three digits at least: a platform that sends more than 999 files a day goes on with four.
    return f"{OWN_PREFIX}{siren}_{day:%y%m%d}_{number:03d}.xml"


def p_msg(cod_col: str, id_post: str, cod_bud: str) -> str:
    """The label P_MSG that goes with a file, as S2LOW writes it."""
    return f"PES#{cod_col}#{id_post}#{cod_bud}"


def passtrans_name(p_dest: str, p_appli: str, p_msg: str, sha1_hex: str) -> str:
    """Remote name over Passtrans SFTP: the metadata travel in it."""
    return PASSTRANS_SEPARATOR.join((p_dest, p_appli, p_msg, sha1_hex))


def remote_name(transport: Transport, name: str, metadata: Metadata, sha1_hex: str) -> str:
    """The name under which a sent file is seen at the other end: Passtrans SFTP carries the metadata in it."""
    if transport is not Transport.PASSTRANS_SFTP:
        return name
    return passtrans_name(metadata.p_dest, metadata.p_appli, metadata.p_msg, sha1_hex)


def zip_name(sha1_hex: str) -> str:
    """The name of the archive that carries a flow when its route wants one: `<sha1 of the flow>.zip`, as S2LOW."""
    return f"{sha1_hex}.zip"


def is_own_file(name: str) -> bool:
    """Whether a name of the reception directory is that of a file we sent (both directories may be one)."""
    part = _PART.fullmatch(name)
    whole = part[1] if part is not None else name
    return whole.startswith(OWN_PREFIX) or any(own.fullmatch(whole) is not None for own in (_OWN_PASSTRANS, _ZIP))


def is_ocre(name: str) -> bool:
    """Whether a received file is an OCRE (`.ocr`, `.ocre`): set aside untouched."""
    return _OCRE.search(name) is not None
