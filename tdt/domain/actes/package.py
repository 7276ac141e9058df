"""The files of an archive: the proof that envelope, messages and documents name each other exactly."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from lxml import etree

from tdt.domain.actes.naming import read_document_name, read_message_name
from tdt.domain.actes.reading import attribute, children, parse_received, text_of
from tdt.domain.xml import XmlError, local_name


def check_entries(envelope_xml: bytes, message_xmls: Mapping[str, bytes], document_names: Collection[str]) -> list[str]:
    """The faults of a set of files about to be sent, empty when they hold together. The grammar is another check."""
    try:
        forms = _file_names(parse_received(envelope_xml), "Formulaire")
    except XmlError as error:
        return [f"Enveloppe illisible : {error}"]
    faults = _mismatch("message", forms, list(message_xmls))
    named: list[str] = []
    for name, xml in message_xmls.items():
        if read_message_name(name) is None:
            faults.append(f"Le nom du message {name} n'est pas correct")
        try:
            root = parse_received(xml)
        except XmlError as error:
            faults.append(f"Message {name} illisible : {error}")
            continue
        faults += _wrong_counts(name, root)
        named += _file_names(root, "Document", "Annexe", "PieceJointe")
    faults += _mismatch("fichier", named, list(document_names))
    faults += [
        f"Le nom du fichier {name} n'est pas correct" for name in document_names if read_document_name(name) is None
    ]
    return faults


def _file_names(root: etree._Element, *holders: str) -> list[str]:
    return [
        text_of(file)
        for element in root.iter(etree.Element)
        if local_name(str(element.tag)) in holders
        for file in children(element, "NomFichier")
    ]


def _wrong_counts(name: str, root: etree._Element) -> list[str]:
    faults = []
    for annexes in children(root, "Annexes"):
        count = len(list(children(annexes, "Annexe")))
        if attribute(annexes, "Nombre") != str(count):
            faults.append(f"Le message {name} annonce {attribute(annexes, 'Nombre')} annexes et en nomme {count}")
    return faults


def _mismatch(what: str, named: Sequence[str], present: Sequence[str]) -> list[str]:
    faults = [f"Le {what} {name} est annoncé mais absent" for name in dict.fromkeys(named) if name not in present]
    faults += [f"Le {what} {name} est présent mais n'est pas annoncé" for name in present if name not in named]
    both = Counter(named), Counter(present)
    repeated = dict.fromkeys(name for counts in both for name, count in counts.items() if count > 1)
    return faults + [f"Le {what} {name} apparaît plusieurs fois" for name in repeated]
