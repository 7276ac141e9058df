"""The XML that the préfecture writes (envelope, acknowledgements, anomalies, classification) and its file names."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date

from lxml import etree

from tdt.domain.xml import local_name
from tdt.simulators.classification_data import national_classification
from tdt.simulators.prefecture_grammar import ACTES, INSEE, XSI

SCHEMA = "http://www.interieur.gouv.fr/ACTES#v1.1-20040216 actesv1_1.xsd"
DECLARATION = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n'


@dataclass(frozen=True, slots=True)
class Party:
    """A collectivité as the préfecture knows it."""

    siren: str
    department: str
    district: str
    nature: str
    name: str


@dataclass(frozen=True, slots=True)
class File:
    """An attachment of the mail."""

    name: str
    data: bytes


def element(
    name: str, attributes: Mapping[str, str] | None = None, *children: etree._Element, text: str | None = None
) -> etree._Element:
    """An element of the messages' namespace; every attribute is qualified, as these schemas demand."""
    built = etree.Element(f"{{{ACTES}}}{name}", nsmap={"actes": ACTES})
    for key, value in (attributes or {}).items():
        built.set(f"{{{INSEE if key == 'SIREN' else ACTES}}}{key}", value)
    built.text = text
    built.extend(children)
    return built


def serialise(content: etree._Element) -> bytes:
    """ISO-8859-1 with the prefixes that the ministry uses; what latin-1 lacks becomes numeric references."""
    root = etree.Element(content.tag, nsmap={"actes": ACTES, "insee": INSEE, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", SCHEMA)
    for key, value in content.attrib.items():
        root.set(key, value)
    root.text = content.text
    root.extend(list(content))
    etree.cleanup_namespaces(root, keep_ns_prefixes=["actes", "insee", "xsi"])
    etree.indent(root)
    written = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=False)
    assert isinstance(written, bytes)
    return DECLARATION + written + b"\n"


def named_file(name: str, tag: str = "Document") -> etree._Element:
    return element(tag, None, element("NomFichier", text=name))


def echo(source: etree._Element, name: str) -> etree._Element:
    """The same content under our own prefixes, as the root or child `name`."""
    copy = etree.Element(f"{{{ACTES}}}{name}", nsmap={"actes": ACTES})
    for key, value in source.attrib.items():
        if key != f"{{{XSI}}}schemaLocation":
            copy.set(key, value)
    children = [child for child in source if isinstance(child.tag, str)]
    if not children:
        copy.text = source.text
    for child in children:
        ours = child.tag.startswith(f"{{{ACTES}}}")
        copy.append(echo(child, local_name(child.tag)) if ours else deepcopy(child))  # a signature is of any namespace
    return copy


# --- names


def service_name(party: Party) -> str:
    """Every envelope of the ministry seen in the field names a sous-préfecture, even in the chief arrondissement."""
    return f"SPREF{party.department}{party.district}"


def envelope_name(quadrigramme: str, party: Party, day: date, serial: int) -> str:
    return f"{quadrigramme}--{service_name(party)}-{party.siren}-{day:%Y%m%d}-{serial}.xml"


def message_name(party: Party, code: str, serial: int, id_acte: str | None = None) -> str:
    """Messages without act (and anomalies, which give no IDActe) have the four dashes of empty fields."""
    return f"{id_acte or f'{party.department}-{party.siren}---'}-{code}_{serial}.xml"


# --- envelope and messages


def envelope(party: Party, message_names: Sequence[str]) -> bytes:
    referent = element(
        "Referent",
        None,
        element("Nom", text="Bureau du contrôle de légalité (simulateur)"),
        element("Telephone", text="0400000000"),
        element("Email", text="legalite@prefecture.test"),
    )
    service = element("IDSousPref", {"Departement": party.department, "Arrondissement": party.district})
    return serialise(
        element(
            "EnveloppeMISILLCL",
            None,
            element("Emetteur", None, service, referent),
            element("FormulairesEnvoyes", None, *(named_file(name, "Formulaire") for name in message_names)),
            element("Destinataire", {"SIREN": party.siren}),
        )
    )


def ar_acte(acte: etree._Element, id_acte: str, day: date, classification: str) -> bytes:
    return serialise(
        element(
            "ARActe",
            {"DateReception": day.isoformat(), "IDActe": id_acte},
            echo(acte, "ActeRecu"),
            element("ClassificationDateVersionEnCours", text=classification),
        )
    )


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`nature`: three digits; `detail`: French, for the agent; it may quote anything that was received."""

    nature: str
    detail: str

    @property
    def readable(self) -> str:
        """The detail without the characters that XML forbids."""
        return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", self.detail)


def anomalie_acte(acte: etree._Element, anomaly: Anomaly, day: date, classification: str) -> bytes:
    return serialise(
        element(
            "AnomalieActe",
            None,
            element("Date", text=day.isoformat()),
            element("Nature", text=anomaly.nature),
            element("Detail", text=anomaly.readable),
            echo(acte, "ActeRecu"),
            element("ClassificationDateVersionEnCours", text=classification),
        )
    )


def anomalie_enveloppe(received: etree._Element, anomaly: Anomaly, day: date) -> bytes:
    return serialise(
        element(
            "AnomalieEnveloppe",
            None,
            element("Date", text=day.isoformat()),
            element("Nature", text=anomaly.nature),
            element("Detail", text=anomaly.readable),
            echo(received, "EnveloppeRecue"),
        )
    )


def unreadable_envelope(party: Party, archive_name: str) -> etree._Element:
    """What stands for the envelope received when it cannot be read: the schema demands one in the anomaly."""
    idcl = {
        "SIREN": party.siren,
        "Departement": party.department,
        "Arrondissement": party.district,
        "Nature": party.nature,
    }
    return element(
        "EnveloppeCLMISILL",
        None,
        element("Emetteur", None, element("IDCL", idcl)),
        element("AdressesRetour", None, element("Email", text="inconnue@prefecture.test")),
        element("FormulairesEnvoyes", None, named_file(archive_name, "Formulaire")),
    )


def ar_annulation(id_acte: str, day: date) -> bytes:
    return serialise(element("ARAnnulation", {"DateReception": day.isoformat(), "IDActe": id_acte}))


def ar_reponse(root: str, id_acte: str, letter_day: str, day: date) -> bytes:
    """ARPieceComplementaire (3-5) or ARReponseRejetLettreObservations (4-5)."""
    letter = element("InfosCourrierPref", {"DateCourrierPref": letter_day, "IDActe": id_acte})
    return serialise(element(root, {"DateReception": day.isoformat()}, letter))


def classification_unchanged(classification: str) -> bytes:
    return serialise(
        element("ReponseClassificationSansChangement", None, element("DateClassification", text=classification))
    )


def retour_classification(classification: str) -> bytes:
    """Depends on the date alone: the same bytes for everyone, every time."""
    national = national_classification()
    natures = [
        element(
            "NatureActe",
            {"CodeNatureActe": str(nature.code), "Libelle": nature.label, "TypeAbrege": nature.abbreviation},
            *(
                element("TypePJNatureActe", {"CodeTypePJ": code, "Libelle": label})
                for code, label in nature.types.items()
            ),
        )
        for nature in national.natures.values()
    ]
    matieres = [
        element(
            "Matiere1",
            {"CodeMatiere": str(matiere.code), "Libelle": matiere.label},
            *(
                element("Matiere2", {"CodeMatiere": str(code), "Libelle": label})
                for code, label in matiere.children.items()
            ),
        )
        for matiere in national.matieres.values()
    ]
    return serialise(
        element(
            "RetourClassification",
            None,
            element("DateClassification", text=classification),
            element("NaturesActes", None, *natures),
            element("Matieres", None, *matieres),
        )
    )
