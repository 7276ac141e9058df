"""The official PES schemas, when the shared reference is there: `check()` judges what the DGFiP simulator writes."""

from functools import cache
from pathlib import Path

from lxml import etree

from tests.xsd import record_xsd_check, shared_directory

PACK = "data/helios/xsd/schemas_pes.v5.12"
WITH_ASAP = "data/helios/xsd/derived_retour_v5.12_plus_asap"


def schema_pack() -> Path | None:
    """The directory of the v5.12 pack, None where it is absent."""
    path = shared_directory() / PACK
    return path if path.is_dir() else None


@cache
def _schema(path: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(path)))


def check(content: bytes) -> list[str]:
    """The faults that the official schema finds in an acquit or a PES_Retour; none where the schema is absent."""
    pack = schema_pack()
    if pack is None:
        return []
    root = etree.fromstring(content)
    schema = _schema(_place(pack, root))
    record_xsd_check()
    schema.validate(root)
    return [f"{error.line}: {error.message}" for error in schema.error_log]  # type: ignore[attr-defined]  # the stubs lack __iter__


def _place(pack: Path, root: etree._Element) -> Path:
    name = etree.QName(root)
    if name.localname == "PES_Retour":
        directory = shared_directory() / WITH_ASAP if root.find("PES_AsapRetour") is not None else pack
        return next(directory.rglob("PES_Retour.xsd"))
    version = "_V2" if str(name.namespace).endswith("/v2") else ""
    return next(pack.rglob(f"PES_V2_Acquit_Autonome{version}.xsd"))
