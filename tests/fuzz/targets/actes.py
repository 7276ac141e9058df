"""XML of ACTES: messages of the ministry, envelopes and messages of clients, budgets, canonical forms."""

from datetime import date

from lxml import etree

from tdt.domain.actes.budget import BudgetUnreadable
from tdt.domain.actes.budget_reading import BudgetReader
from tdt.domain.actes.classification import fault_of, judge_classification, parse_classification
from tdt.domain.actes.mail import Attachment, MinistryMail
from tdt.domain.actes.naming import read_document_name, read_envelope_name, read_message_name, read_unique_id
from tdt.domain.actes.returns import read_mail
from tdt.domain.actes.submitted import read_archive_name, read_message, read_ready_envelope
from tdt.domain.authorities import Authority
from tdt.domain.canonical import Canonical
from tdt.domain.errors import Refused
from tdt.domain.xml import XmlError, feed_names, name_parser
from tests.actes_archives import Acte, acte_parcel, answer_parcel
from tests.budgets import budget, sealed
from tests.fuzz.targets.base import Target, check_told, cut, numbered
from tests.unit.actes import mails

TODAY = date(2026, 3, 10)
NAME = "034-123456782-20260309-2026_017-DE-1-2_1.xml"


def returns(data: bytes) -> None:
    """A message of the ministry, under a name that says AR or none: at worst unreadable, never empty."""
    for name in (NAME, "EACT--SPREF0343-123456782-20260310-1.xml", "document.xml"):
        answers = read_mail(MinistryMail((Attachment(name, data),), False))
        assert answers


def classification(data: bytes) -> None:
    """What cannot be read is refused with a reason; what can is judged, whatever it says."""
    try:
        found = parse_classification(data)
    except XmlError:
        found = None
    if found is not None:
        fault_of(found, TODAY)
    judged, why = judge_classification(data, TODAY)
    assert judged == found
    assert why or judged is not None
    check_told(why)


def submitted(data: bytes) -> None:
    """An envelope and a message that a client wrote: read, or refused in our words."""
    authority = Authority.__new__(Authority)
    for name, value in (("siren", "123456782"), ("nature", 31), ("department", "034"), ("district", "3")):
        object.__setattr__(authority, name, value)
    try:
        ready = read_ready_envelope(data, authority, ["retours@tdt.test"])
        assert b"retours@tdt.test" in ready.xml
        assert read_ready_envelope(ready.xml, authority, ["retours@tdt.test"]).forms == ready.forms
    except Refused as error:
        check_told(error.message)
    try:
        read_message(NAME, data)
    except Refused as error:
        check_told(error.message)


def names(data: bytes) -> None:
    """The names of files by which everything is told apart."""
    text = data.decode("utf-8", "replace")
    read_unique_id(text)
    read_document_name(text)
    read_message_name(text)
    read_envelope_name(text)
    try:
        assert read_archive_name(text, "TDT", "TACT", "123456782").endswith(".xml")
    except Refused as error:
        check_told(error.message)


def budget_file(data: bytes) -> None:
    """However it is cut, a budget is the same, its seal included."""
    for indented in (False, True):
        assert _budget([data], indented) == _budget(list(cut(data)), indented)


def _budget(chunks: list[bytes], indented: bool) -> object:
    reader = BudgetReader(indented)
    try:
        for chunk in chunks:
            reader.feed(chunk)
        return reader.close()
    except BudgetUnreadable:
        return None


def canonical(data: bytes) -> None:
    """Our canonical form is libxml2's, or the document is none that both read."""
    ours = _canonical(data)
    if ours is None:
        return
    try:
        tree = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        theirs = etree.tostring(tree.getroottree(), method="c14n", with_comments=False)
    except (etree.LxmlError, ValueError, LookupError):
        return
    if b"xml:" not in data and b"&" not in data and data.isascii():
        assert ours == theirs


def _canonical(data: bytes) -> bytes | None:
    pieces: list[str] = []
    target, parser = Canonical(pieces.append), name_parser()
    parser.StartElementHandler, parser.EndElementHandler = target.start, target.end
    parser.CharacterDataHandler, parser.ProcessingInstructionHandler = target.text, target.instruction
    try:
        for chunk in cut(data):
            feed_names(parser, chunk)
        feed_names(parser, b"", final=True)
    except XmlError:
        return None
    return "".join(pieces).encode()


def _message_seeds() -> dict[str, bytes]:
    seeds = {"ar": mails.ar(), "envelope": mails.envelope(NAME)}
    nature = "<actes:Nature>002</actes:Nature><actes:Detail>ODT-VERIF-01</actes:Detail>"
    seeds["anomaly"] = mails.xml("AnomalieActe", "", nature)
    seeds["letter"] = mails.xml("DemandePieceComplementaire", f'actes:IDActe="{mails.ACT}"')
    seeds["cancelled"] = mails.xml("ARAnnulation", f'actes:DateReception="2026-03-10" actes:IDActe="{mails.ACT}"')
    return seeds


def _classification() -> dict[str, bytes]:
    content = (
        "<actes:DateClassification>2026-01-01</actes:DateClassification><actes:NaturesActes>"
        '<actes:NatureActe actes:CodeNatureActe="1" actes:Libelle="Délibérations" actes:TypeAbrege="DE">'
        '<actes:TypePJNatureActe actes:CodeTypePJ="99_DE" actes:Libelle="x"/></actes:NatureActe></actes:NaturesActes>'
        '<actes:Matieres><actes:Matiere1 actes:CodeMatiere="1" actes:Libelle="x"><actes:Matiere2 '
        'actes:CodeMatiere="2" actes:Libelle="y"/></actes:Matiere1></actes:Matieres>'
    )
    return {"plain": mails.xml("RetourClassification", "", content)}


def _submitted_seeds() -> dict[str, bytes]:
    parcel = acte_parcel(Acte())
    answer = answer_parcel(mails.ACT, "3-4", 2)
    return numbered([parcel.envelope(), *parcel.messages.values(), *answer.messages.values()])


TARGETS = [
    Target("returns", returns, _message_seeds),
    Target("classification", classification, _classification),
    Target("submitted", submitted, _submitted_seeds),
    Target(
        "names",
        names,
        lambda: numbered(
            [NAME.encode(), b"99_DE-" + NAME.encode(), acte_parcel(Acte()).name.encode(), mails.ACT.encode()]
        ),
    ),
    Target("budget", budget_file, lambda: {"plain": budget(), "sealed": sealed(budget())}),
    Target(
        "canonical",
        canonical,
        lambda: numbered(
            [
                b"<?x  y?><a>\n <?pi?> <!-- c --> </a><?z ?>",
                b'<p:a xmlns:p="u:p" xmlns="u:z" p:b="1"><b xmlns="" c=" x "/></p:a>',
                b'<a b="\'>&#10;"><![CDATA[<&>]]></a>',
            ]
        ),
    ),
]
