"""Sets of schemas for tests: one of our own writing, far smaller than the DGFiP's; the official ones, if there."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.xsd import shared_directory

ALLER = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller"
TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:essai:types" targetNamespace="urn:essai:types">
  <xs:complexType name="Texte"><xs:attribute name="V" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="Date"><xs:attribute name="V" type="xs:date" use="required"/></xs:complexType>
  <xs:complexType name="Nombre"><xs:attribute name="V" use="required">
    <xs:simpleType><xs:restriction base="xs:decimal"><xs:totalDigits value="7"/><xs:minExclusive value="0"/>
    </xs:restriction></xs:simpleType></xs:attribute></xs:complexType>
  <xs:complexType name="Code3"><xs:attribute name="V" use="required">
    <xs:simpleType><xs:restriction base="xs:string"><xs:length value="3"/><xs:pattern value="[0-9]{3}"/>
    </xs:restriction></xs:simpleType></xs:attribute></xs:complexType>
  <xs:complexType name="Nature"><xs:attribute name="V" use="required">
    <xs:simpleType><xs:restriction base="xs:string">NATURES</xs:restriction></xs:simpleType>
  </xs:attribute></xs:complexType>
</xs:schema>
"""
ROOT = f"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{ALLER}" xmlns:t="urn:essai:types"
    targetNamespace="{ALLER}">
  <xs:import namespace="urn:essai:types" schemaLocation="../commun/types.xsd"/>
  <xs:complexType name="Libre"><xs:sequence><xs:any processContents="skip" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence><xs:anyAttribute processContents="skip"/></xs:complexType>
  <xs:complexType name="Entete"><xs:sequence>
    <xs:element name="DteStr" type="t:Date"/><xs:element name="IdPost" type="t:Texte"/>
    <xs:element name="IdColl" type="t:Texte"/><xs:element name="CodCol" type="t:Code3"/>
    <xs:element name="CodBud" type="t:Texte"/></xs:sequence></xs:complexType>
  <xs:complexType name="Bloc"><xs:sequence>
    <xs:element name="Exer" type="t:Texte"/><xs:element name="IdBord" type="t:Nombre"/>
    <xs:element name="DteBordEm" type="t:Date"/><xs:element name="TypBord" type="t:Texte"/>
    <xs:any processContents="skip" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  <xs:complexType name="InfoPce"><xs:sequence>
    <xs:element name="IdPce" type="t:Texte"/><xs:element name="TypPce" type="t:Texte"/>
    <xs:element name="NatPce" type="t:Nature"/></xs:sequence></xs:complexType>
  <xs:complexType name="Piece"><xs:sequence>
    <xs:element name="BlocPiece"><xs:complexType><xs:sequence><xs:element name="InfoPce" type="InfoPce"/></xs:sequence>
    </xs:complexType></xs:element><xs:element name="LigneDePiece" type="Libre" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType>
  <xs:complexType name="Bordereau"><xs:sequence>
    <xs:element name="BlocBordereau" type="Bloc"/><xs:element name="Piece" type="Piece" maxOccurs="unbounded"/>
  </xs:sequence><xs:attribute name="Id" type="xs:ID"/></xs:complexType>
  <xs:complexType name="Depense"><xs:sequence>
    <xs:element name="EnTeteDepense" type="Libre"/>
    <xs:element name="Bordereau" type="Bordereau" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  <xs:complexType name="PJ"><xs:sequence>
    <xs:element name="Contenu"><xs:complexType><xs:sequence>
      <xs:element name="Fichier"><xs:complexType><xs:simpleContent><xs:extension base="xs:base64Binary">
        <xs:attribute name="MIMEType" type="xs:string" use="required"/></xs:extension></xs:simpleContent>
      </xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
    <xs:any processContents="skip" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  <xs:complexType name="PJs"><xs:sequence><xs:element name="EnTetePES_PJ" type="Libre"/>
    <xs:element name="PJ" type="PJ" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  <xs:element name="PES_Aller"><xs:complexType><xs:sequence>
    <xs:element name="Enveloppe" type="Libre"/><xs:element name="EnTetePES" type="Entete"/>
    <xs:element name="PES_DepenseAller" type="Depense" minOccurs="0"/>
    <xs:element name="PES_PJ" type="PJs" minOccurs="0"/></xs:sequence>
    <xs:attribute name="Id" type="xs:ID"/></xs:complexType></xs:element>
</xs:schema>
"""
OFFICIAL = {"5.12": "schemas_pes.v5.12", "5.11": "schemas_pes_v5.11"}


def small_set(*natures: str) -> dict[str, bytes]:
    """A set that describes the flows of `tests.dgfip_flows` without recette; NatPce may have these values (01)."""
    choices = "".join(f'<xs:enumeration value="{nature}"/>' for nature in natures or ("01",))
    return {
        "essai/Rev0/PES_Aller.xsd": ROOT.encode(),
        "essai/commun/types.xsd": TYPES.replace("NATURES", choices).encode(),
    }


def official_set(version: str) -> Path | None:
    """The directory of an official set; None where the shared reference is absent."""
    path = shared_directory() / "data/helios/xsd" / OFFICIAL[version]
    return path if path.is_dir() else None


def as_directory(files: Mapping[str, bytes], folder: Path) -> Path:
    """These files in a directory."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def as_zip(files: Mapping[str, bytes], path: Path) -> Path:
    """These files in a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(files: Mapping[str, bytes], path: Path, mode: str = "w:gz") -> Path:
    """These files in a tar.gz."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
