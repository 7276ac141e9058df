"""Archives as a TdT sends them to the préfecture, written here by hand: these tests trust nothing of the server."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

SIREN = "123456782"
PDF = b"%PDF-1.4\n%test\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
_SPACES = (
    'xmlns:actes="http://www.interieur.gouv.fr/ACTES#v1.1-20040216" xmlns:insee="http://xml.insee.fr/schema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.interieur.gouv.fr/ACTES#v1.1-20040216 actesv1_1.xsd"'
)


@dataclass(frozen=True, slots=True)
class Idcl:
    siren: str = SIREN
    department: str = "034"
    district: str = "3"
    nature: str = "31"


@dataclass(frozen=True, slots=True)
class Acte:
    """What the message says; `files`: the act first, type code → (extension, bytes)."""

    number: str = "2026_001"
    nature: int = 1
    letters: str = "DE"
    date: str = "2026-11-20"
    matieres: tuple[int, ...] = (3, 1)
    subject: str = "Acquisition d'une parcelle à l'été"
    classification: str = "2019-03-01"
    files: tuple[tuple[str, str, bytes], ...] = (("99_DE", "pdf", PDF), ("31_DP", "pdf", PDF))
    announced: int | None = None
    siren: str = SIREN

    @property
    def id_acte(self) -> str:
        return f"034-{self.siren}-{self.date.replace('-', '')}-{self.number}-{self.letters}"

    @property
    def message_name(self) -> str:
        return f"{self.id_acte}-1-1_0.xml"

    def documents(self) -> dict[str, bytes]:
        return {
            f"{kind}-{self.id_acte}-1-1_{place}.{extension}".removeprefix("-"): data
            for place, (kind, extension, data) in enumerate(self.files, 1)
        }

    def message(self) -> bytes:
        names = list(self.documents())
        matieres = "".join(
            f'<actes:CodeMatiere{level} actes:CodeMatiere="{code}"/>' for level, code in enumerate(self.matieres, 1)
        )
        annexes = "".join(f"<actes:Annexe>{_named(name)}</actes:Annexe>" for name in names[1:])
        announced = len(names) - 1 if self.announced is None else self.announced
        return _document(
            f'<actes:Acte {_SPACES} actes:Date="{self.date}" actes:NumeroInterne="{self.number}" '
            f'actes:CodeNatureActe="{self.nature}">{matieres}<actes:Objet>{self.subject}</actes:Objet>'
            f"<actes:ClassificationDateVersion>{self.classification}</actes:ClassificationDateVersion>"
            f"<actes:Document>{_named(names[0])}</actes:Document>"
            f'<actes:Annexes actes:Nombre="{announced}">{annexes}</actes:Annexes>'
            "<actes:DocumentPapier>N</actes:DocumentPapier></actes:Acte>"
        )


@dataclass(frozen=True, slots=True)
class Parcel:
    """One archive: envelope, messages, documents; `changes` adds, replaces or (None) removes entries at the end."""

    serial: int = 1
    idcl: Idcl = Idcl()
    messages: Mapping[str, bytes] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    changes: Mapping[str, bytes | None] = field(default_factory=dict)
    prefix: str = "TDT-TACT"
    address: str = "actes@tdt.test"

    @property
    def envelope_name(self) -> str:
        return f"{self.prefix.partition('-')[2]}--{self.idcl.siren}--20261122-{self.serial}.xml"

    @property
    def name(self) -> str:
        return f"{self.prefix}--{self.idcl.siren}--20261122-{self.serial}.tar.gz"

    def envelope(self) -> bytes:
        forms = "".join(f"<actes:Formulaire>{_named(name)}</actes:Formulaire>" for name in self.messages)
        idcl = self.idcl
        return _document(
            f"<actes:EnveloppeCLMISILL {_SPACES}><actes:Emetteur>"
            f'<actes:IDCL actes:Nature="{idcl.nature}" insee:SIREN="{idcl.siren}" '
            f'actes:Departement="{idcl.department}" actes:Arrondissement="{idcl.district}"/>'
            "<actes:Referent><actes:Nom>Zoé</actes:Nom></actes:Referent>"
            f"</actes:Emetteur><actes:AdressesRetour><actes:Email>{self.address}</actes:Email></actes:AdressesRetour>"
            f"<actes:FormulairesEnvoyes>{forms}</actes:FormulairesEnvoyes></actes:EnveloppeCLMISILL>"
        )

    def entries(self) -> dict[str, bytes]:
        whole = {self.envelope_name: self.envelope(), **self.messages, **self.documents}
        for name, data in self.changes.items():
            if data is None:
                del whole[name]
            else:
                whole[name] = data
        return whole

    def build(self) -> bytes:
        file = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=1) as zipped,
            tarfile.open(fileobj=zipped, mode="w|") as tar,
        ):
            for name, data in self.entries().items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return file.getvalue()


def acte_parcel(acte: Acte, serial: int = 1, idcl: Idcl | None = None) -> Parcel:
    return Parcel(
        serial=serial,
        idcl=idcl or Idcl(siren=acte.siren),
        messages={acte.message_name: acte.message()},
        documents=acte.documents(),
    )


def classification_parcel(held: str | None, serial: int) -> Parcel:
    inside = f"<actes:DateClassification>{held}</actes:DateClassification>" if held else ""
    message = _document(f"<actes:DemandeClassification {_SPACES}>{inside}</actes:DemandeClassification>")
    return Parcel(serial=serial, messages={f"034-{SIREN}----7-1_0.xml": message})


def answer_parcel(id_acte: str, code: str, serial: int, letter_day: str = "2026-11-22") -> Parcel:
    """2-2, 3-2, 3-3, 3-4, 4-2, 4-3, 4-4 or 6-1."""
    root = {
        "2-2": "ReponseCourrierSimple",
        "3-2": "ARDemandePieceComplementaire",
        "3-3": "RefusPieceComplementaire",
        "3-4": "PieceComplementaire",
        "4-2": "ARLettreObservations",
        "4-3": "RejetLettreObservations",
        "4-4": "ReponseLettreObservations",
        "6-1": "Annulation",
    }[code]
    document = f"{id_acte}-{code}_1.pdf"
    named = f"<actes:Document>{_named(document)}</actes:Document>"
    inside = "" if code in ("3-2", "4-2", "6-1") else named
    if code == "3-4":
        inside = f"<actes:Documents>{named}</actes:Documents>"
    day = "" if code == "6-1" else f' actes:DateCourrierPref="{letter_day}"'
    message = _document(f'<actes:{root} {_SPACES}{day} actes:IDActe="{id_acte}">{inside}</actes:{root}>')
    documents = {document: PDF} if inside else {}
    return Parcel(serial=serial, messages={f"{id_acte}-{code}_0.xml": message}, documents=documents)


def with_changes(parcel: Parcel, changes: Mapping[str, bytes | None]) -> Parcel:
    return replace(parcel, changes=changes)


def _named(name: str) -> str:
    return f"<actes:NomFichier>{name}</actes:NomFichier>"


def _document(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n{body}\n'.encode("iso-8859-1", "xmlcharrefreplace")
