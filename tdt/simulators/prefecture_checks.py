"""What the préfecture checks on an archive, in the order of the protocol, and the anomaly that each fault gets."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from tdt.simulators.classification_data import national_classification
from tdt.simulators.prefecture_answers import Anomaly, Party
from tdt.simulators.prefecture_archive import Archive, ArchiveError, Member
from tdt.simulators.prefecture_grammar import ACTES, EMAIL, ROOTS, Malformed, attribute, read_shaped

MESSAGE_NAME = re.compile(
    r"(?P<department>[0-9]{3}|02[AB])-(?P<siren>[0-9]{9})-"
    r"(?:[0-9]{8}-(?P<number>[A-Za-z0-9_]{1,15})-[A-Z]{2}|--)-(?P<code>[1-7]-[1-5])_[0-9]+\.xml"
)
DOCUMENT_NAME = re.compile(
    r"(?:(?P<type>[A-Z0-9_]{5})-)?(?:[0-9]{3}|02[AB])-[0-9]{9}-[0-9]{8}-[A-Za-z0-9_]{1,15}-[A-Z]{2}"
    r"-[1-7]-[1-5]_[0-9]+\.(?P<extension>pdf|xml|jpg|jpeg|png)"
)
MAGIC = {"pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff", "jpeg": b"\xff\xd8\xff"}
UNKNOWN_TRANSACTION = (
    "ODT-VERIF-17 : La transaction que vous avez envoyé n'est pas reconnu dans l'application ACTES."  # its spelling
)
UNKNOWN_SIREN = "PREF-VERIF-02 : Votre numéro de SIREN n'est pas encore enregistré dans l'application ACTES."
OTHER_PARTICULARS = "PREF-VERIF-02 : {key} de la collectivité différent du registre"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the préfecture knows at this moment; `strict`: every check of the protocol, not only the first ones."""

    trigramme: str
    quadrigramme: str
    registry: Mapping[str, Party]
    classification: str
    archive_limit: int
    strict: bool
    is_registered: Callable[[str], bool]
    was_written: Callable[[str, str, str], bool]
    """IDActe, code of the letter, its date."""


@dataclass(frozen=True, slots=True)
class Message:
    """`id_acte`: computed for an act (None when its number or nature allow none), read in others, None for a 7-1."""

    name: str
    code: str
    root: etree._Element
    id_acte: str | None


@dataclass(slots=True)
class Reading:
    """What could be read of an archive; `anomaly`: why the whole envelope is refused."""

    name: str
    envelope_name: str
    archive: Archive
    envelope: etree._Element | None = None
    party: Party | None = None
    addresses: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    anomaly: Anomaly | None = None


def read_envelope(name: str, size: int, archive: Archive | ArchiveError, rules: Rules) -> Reading:
    """Check name, container, envelope, emitter, messages and their files, until the first fault."""
    unreadable = isinstance(archive, ArchiveError)
    reading = Reading(name, _envelope_name(name), Archive() if isinstance(archive, ArchiveError) else archive)
    steps: tuple[Callable[[], Anomaly | None], ...] = (
        lambda: _check_name(name, rules),
        lambda: Anomaly("003", f"{name} : {archive}") if unreadable else None,
        lambda: _check_container(reading, size, rules),
        lambda: _read_emitter(reading),
        lambda: _check_registry(reading, rules),
        lambda: _read_messages(reading),
        lambda: _check_answers(reading, rules),
        lambda: _check_orphans(reading),
    )
    for step in steps:
        reading.anomaly = step()
        if reading.anomaly:
            break
    return reading


def document_names(message: etree._Element) -> list[str]:
    """Every file that a message names, in its order."""
    return [element.text or "" for element in message.iter(f"{{{ACTES}}}NomFichier")]


def sound_format(member: Member) -> bool:
    """Whether the content is what the extension says."""
    extension = member.name.rpartition(".")[2].lower()
    if extension == "xml":
        return member.head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    return member.head.startswith(MAGIC.get(extension, b"\0never"))


def acte_id(envelope: etree._Element, acte: etree._Element) -> str | None:
    """The identifier that the préfecture gives: from the contents, never from a file name."""
    idcl = envelope.find(f".//{{{ACTES}}}IDCL")
    nature = national_classification().natures.get(int(attribute(acte, "CodeNatureActe")))
    number = attribute(acte, "NumeroInterne")
    if idcl is None or nature is None or not re.fullmatch("[A-Za-z0-9_]{1,15}", number):
        return None
    day = attribute(acte, "Date").replace("-", "")
    return f"{attribute(idcl, 'Departement')}-{attribute(idcl, 'SIREN')}-{day}-{number}-{nature.abbreviation}"


# --- the steps, in order


def _envelope_name(archive_name: str) -> str:
    return re.sub(r"\.tar\.gz$", "", re.sub(r"^[^-]*-(?=.*--)", "", archive_name, count=1)) + ".xml"


def _check_name(name: str, rules: Rules) -> Anomaly | None:
    pattern = rf"{rules.trigramme}-{rules.quadrigramme}--(?P<siren>[0-9]{{9}})--[0-9]{{8}}-[0-9]+\.tar\.gz"
    if re.fullmatch(pattern, name):
        return None
    return Anomaly("003", f"{name} : nom d'archive non conforme pour cet environnement")


def _check_container(reading: Reading, size: int, rules: Rules) -> Anomaly | None:
    if reading.archive.faults:
        return Anomaly("003", f"{reading.name} : {reading.archive.faults[0]}")
    if rules.strict and size > rules.archive_limit:
        return Anomaly("003", f"{reading.name} : archive de plus de {rules.archive_limit} octets")
    return None


def _read_emitter(reading: Reading) -> Anomaly | None:
    data = reading.archive.xml.get(reading.envelope_name)
    if data is None:
        return Anomaly("003", f"{reading.name} : enveloppe {reading.envelope_name} absente")
    try:
        reading.envelope = read_shaped(data, "EnveloppeCLMISILL")
    except Malformed as error:
        return Anomaly("003", f"{reading.envelope_name} : {error}")
    addresses = reading.envelope.findall(f"{{{ACTES}}}AdressesRetour/{{{ACTES}}}Email")
    reading.addresses = [address.text or "" for address in addresses if re.fullmatch(EMAIL, address.text or "")]
    return None


def _check_registry(reading: Reading, rules: Rules) -> Anomaly | None:
    assert reading.envelope is not None
    idcl = reading.envelope.find(f".//{{{ACTES}}}IDCL")
    assert idcl is not None
    party = rules.registry.get(attribute(idcl, "SIREN"))
    if party is None:
        return Anomaly("005", f"{reading.name} -> {UNKNOWN_SIREN}")
    known = {"Departement": party.department, "Arrondissement": party.district, "Nature": party.nature}
    for key, value in known.items():
        if attribute(idcl, key) != value:
            return Anomaly("005", f"{reading.name} -> {OTHER_PARTICULARS.format(key=key)}")
    if f"--{party.siren}--" not in reading.name:
        return Anomaly("005", f"{reading.name} : le SIREN du nom n'est pas celui de l'émetteur")
    reading.party = party
    return None


def _read_messages(reading: Reading) -> Anomaly | None:
    assert reading.envelope is not None
    forms = document_names(reading.envelope)
    missing = [name for name in forms if name not in reading.archive.members]
    if missing:
        return Anomaly("001", f"{reading.envelope_name} : formulaire absent : {missing[0]}")
    for name in forms:
        match = MESSAGE_NAME.fullmatch(name)
        if match is None or match["code"] not in ROOTS:
            return Anomaly("999", f"{UNKNOWN_TRANSACTION} ({name})")
        try:
            root = read_shaped(reading.archive.xml.get(name, b""), ROOTS[match["code"]])
        except Malformed as error:
            return Anomaly("003", f"{name} : {error}")
        acte = match["code"] == "1-1"
        id_acte = acte_id(reading.envelope, root) if acte else attribute(root, "IDActe") or None
        reading.messages.append(Message(name, match["code"], root, id_acte))
    return None


def _check_answers(reading: Reading, rules: Rules) -> Anomaly | None:
    """The files of the messages that are not acts: their faults have no anomaly of their own."""
    members = reading.archive.members
    for message in (message for message in reading.messages if message.code != "1-1"):
        for name in document_names(message.root):
            if name not in members:
                return Anomaly("001", f"{message.name} : pièce jointe absente : {name}")
            if not DOCUMENT_NAME.fullmatch(name) or (rules.strict and not sound_format(members[name])):
                return Anomaly("002", f"{message.name} : pièce jointe non conforme : {name}")
        if rules.strict and message.id_acte and not rules.is_registered(message.id_acte):
            return Anomaly("100", f"Acte inconnu : {message.id_acte}")
        if rules.strict and not _answers_a_letter(message, rules):
            return Anomaly("100", f"{message.name} : aucun courrier de cette date sur cet acte")
    return None


def _answers_a_letter(message: Message, rules: Rules) -> bool:
    """Whether the préfecture wrote what this answers: a letter of that kind, of that date, about that act."""
    if message.code in ("6-1", "7-1") or message.id_acte is None:
        return True
    return rules.was_written(message.id_acte, f"{message.code[0]}-1", attribute(message.root, "DateCourrierPref"))


def _check_orphans(reading: Reading) -> Anomaly | None:
    named = {reading.envelope_name, *(message.name for message in reading.messages)}
    for message in reading.messages:
        named.update(document_names(message.root))
    orphans = [name for name in reading.archive.members if name not in named]
    return Anomaly("002", f"{reading.name} : fichier non annoncé : {orphans[0]}") if orphans else None
