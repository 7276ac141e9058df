"""What the ministry answered, read from one of its mails: tolerant of every shape seen, never of a missing key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from lxml import etree

from tdt.domain.actes import filetype
from tdt.domain.actes.answers import (
    ActeEcho,
    AnomalieActe,
    AnomalieEnveloppe,
    ArActe,
    ArAnnulation,
    ArReponse,
    ClassificationSansChangement,
    Letter,
    LetterCode,
    MultiCanal,
    RetourClassification,
    Return,
    Unreadable,
)
from tdt.domain.actes.mail import Attachment, MinistryMail
from tdt.domain.actes.ministry_envelope import ENVELOPE, MinistryEnvelope, envelope_of, read_envelopes
from tdt.domain.actes.naming import (
    is_envelope_anomaly,
    read_document_name,
    read_envelope_name,
    read_message_name,
    read_unique_id,
    refused_envelope,
)
from tdt.domain.actes.reading import attribute, child, children, parse_received, read_date, read_integer, text_of
from tdt.domain.xml import XmlError, local_name

__all__ = [
    "ActeEcho",
    "AnomalieActe",
    "AnomalieEnveloppe",
    "ArActe",
    "ArAnnulation",
    "ArReponse",
    "ClassificationSansChangement",
    "Letter",
    "LetterCode",
    "MultiCanal",
    "RetourClassification",
    "Return",
    "Unreadable",
    "read_mail",
]


@dataclass(frozen=True, slots=True)
class _Context:
    """A message being read, with the rest of its mail."""

    root: etree._Element
    attachment: Attachment
    envelope: MinistryEnvelope
    mail: MinistryMail


class _Refused(Exception):
    """The message lacks what makes it usable."""


def read_mail(mail: MinistryMail) -> tuple[Return, ...]:
    """Everything that a mail says, in the order of its envelope. Never raises, never empty."""
    if mail.fault:
        return (Unreadable(mail.fault),)
    trees: list[tuple[Attachment, etree._Element]] = []
    faults: list[tuple[Attachment, str]] = []
    for attachment in mail.attachments:
        if _is_xml(attachment):
            try:
                trees.append((attachment, parse_received(attachment.data)))
            except XmlError as error:
                faults.append((attachment, str(error)))
    envelopes = list(read_envelopes(trees))
    forms = [form for envelope in envelopes for form in envelope.forms]
    messages = [entry for entry in trees if _element(entry[1]) != ENVELOPE]
    messages.sort(key=lambda entry: _rank(entry[0].name, forms))
    found = [
        _read_message(_Context(root, attachment, envelope_of(attachment.name, envelopes), mail))
        for attachment, root in messages
    ]
    found += [Unreadable("pièce jointe abîmée en route", name) for name in mail.damaged]
    found += _absent_messages(forms, mail)
    documents = {document.name for answer in found if isinstance(answer, Letter) for document in answer.documents}
    found += [Unreadable(reason, attachment.name) for attachment, reason in faults if attachment.name not in documents]
    if found:
        return tuple(found)
    return (MultiCanal(),) if mail.multicanal else (Unreadable("courriel sans message d'ACTES"),)


def _is_xml(attachment: Attachment) -> bool:
    return attachment.name.lower().endswith(".xml") or filetype.sniff(attachment.data[:4096]) == filetype.XML


def _element(root: etree._Element) -> str:
    return local_name(str(root.tag))


def _rank(name: str, forms: Sequence[str]) -> int:
    return forms.index(name) if name in forms else len(forms)


def _absent_messages(forms: Sequence[str], mail: MinistryMail) -> list[Return]:
    present = {attachment.name.casefold() for attachment in mail.attachments} | {
        name.casefold() for name in mail.damaged
    }
    return [
        Unreadable("message annoncé par l'enveloppe, absent du courriel", form)
        for form in forms
        if form.casefold() not in present
    ]


def _read_message(context: _Context) -> Return:
    element = _element(context.root)
    reader = _READERS.get(element)
    if reader is None:
        return Unreadable(f"message {element} inattendu", context.attachment.name)
    try:
        return reader(context)
    except _Refused as error:
        return Unreadable(f"{element} : {error}", context.attachment.name)


def _ar_acte(context: _Context) -> Return:
    act, echo = _unique_id(context.root), _echo(context.root)
    parts = read_unique_id(act)
    return ArActe(
        unique_id=act,
        number=echo.number or (parts.number if parts else ""),
        siren=context.envelope.siren or (parts.siren if parts else None),
        date_reception=_required_date(context.root, "DateReception"),
        xml=context.attachment.data,
        classification_date=_current_classification(context.root),
        envelope_name=context.envelope.name,
        acte=echo,
        name=context.attachment.name,
    )


def _acte_anomaly(context: _Context) -> Return:
    echo = _echo(context.root)
    if not echo.number:
        raise _Refused("numéro de l'acte absent")
    return AnomalieActe(
        siren=_siren(context) or _siren_of_files(context.root),
        number=echo.number,
        nature=text_of(child(context.root, "Nature")),
        detail=text_of(child(context.root, "Detail")),
        xml=context.attachment.data,
        classification_date=_current_classification(context.root),
        envelope_name=context.envelope.name,
        acte=echo,
        name=context.attachment.name,
    )


def _envelope_anomaly(context: _Context) -> Return:
    detail = text_of(child(context.root, "Detail"))
    name = refused_envelope(context.attachment.name)
    if not is_envelope_anomaly(context.attachment.name):
        # the name was lost on the way; some details start with the name of the archive: "… -> PREF-VERIF-02 : …"
        name = refused_envelope(detail.partition(" -> ")[0])
        if read_envelope_name(name) is None:
            raise _Refused("nom de l'enveloppe refusée introuvable")
    sender = child(child(context.root, "EnveloppeRecue"), "Emetteur")
    return AnomalieEnveloppe(
        envelope_name=name,
        nature=text_of(child(context.root, "Nature")),
        detail=detail,
        xml=context.attachment.data,
        siren=attribute(child(sender, "IDCL"), "SIREN") or None,
        name=context.attachment.name,
    )


def _classification(context: _Context) -> Return:
    siren = _siren(context)
    if siren is None:
        raise _Refused("SIREN du destinataire introuvable")
    day = read_date(text_of(child(context.root, "DateClassification")))
    if day is None:
        raise _Refused("date de classification absente ou illisible")
    kind = RetourClassification if _element(context.root) == "RetourClassification" else ClassificationSansChangement
    return kind(siren=siren, date=day, xml=context.attachment.data, name=context.attachment.name)


def _ar_annulation(context: _Context) -> Return:
    return ArAnnulation(
        unique_id=_unique_id(context.root),
        date_reception=_required_date(context.root, "DateReception"),
        xml=context.attachment.data,
        name=context.attachment.name,
    )


def _letter(code: LetterCode, text_element: str, date_name: str) -> Callable[[_Context], Return]:
    def read(context: _Context) -> Return:
        root = context.root
        documents, missing = _documents(context)
        return Letter(
            code=code,
            unique_id=_unique_id(root),
            date=read_date(attribute(root, date_name) or text_of(child(root, date_name))),
            text=text_of(child(root, text_element)),
            xml=context.attachment.data,
            documents=documents,
            missing=missing,
            siren=context.envelope.siren,
            envelope_name=context.envelope.name,
            envelope_xml=context.envelope.xml,
            name=context.attachment.name,
        )

    return read


def _ar_reponse(code: Literal["3-5", "4-5"]) -> Callable[[_Context], Return]:
    def read(context: _Context) -> Return:
        letter = child(context.root, "InfosCourrierPref")
        if letter is None:
            raise _Refused("courrier de référence absent")
        return ArReponse(
            code=code,
            unique_id=_unique_id(letter),
            date_courrier=read_date(attribute(letter, "DateCourrierPref")),
            date_reception=_required_date(context.root, "DateReception"),
            xml=context.attachment.data,
            name=context.attachment.name,
        )

    return read


_READERS: dict[str, Callable[[_Context], Return]] = {
    "ARActe": _ar_acte,
    "AnomalieActe": _acte_anomaly,
    "AnomalieEnveloppe": _envelope_anomaly,
    "RetourClassification": _classification,
    "ReponseClassificationSansChangement": _classification,
    "ARAnnulation": _ar_annulation,
    "CourrierSimple": _letter("2-1", "", "DateCourrierPref"),
    "DemandePieceComplementaire": _letter("3-1", "DescriptionPieces", "DateCourrierPref"),
    "LettreObservations": _letter("4-1", "Motif", "DateCourrierPref"),
    "DefereTA": _letter("5-1", "NatureIllegalite", "DateDepot"),
    "ARPieceComplementaire": _ar_reponse("3-5"),
    "ARReponseRejetLettreObservations": _ar_reponse("4-5"),
}


def _documents(context: _Context) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """The documents that the letter names: only `NomFichier` links them, their numbers are independent."""
    holders = [*children(context.root, "Document"), *children(child(context.root, "PiecesJointes"), "PieceJointe")]
    by_name = {attachment.name.casefold(): attachment for attachment in context.mail.attachments}
    names = [name for holder in holders if (name := text_of(child(holder, "NomFichier")))]
    documents = tuple(by_name[name.casefold()] for name in names if name.casefold() in by_name)
    return documents, tuple(name for name in names if name.casefold() not in by_name)


def _echo(root: etree._Element) -> ActeEcho:
    """Some old answers repeat the act in `Acte` beside or instead of `ActeRecu`: the first with a number is taken."""
    copies = [*children(root, "ActeRecu"), *children(root, "Acte")]
    echo = next((copy for copy in copies if attribute(copy, "NumeroInterne")), None)
    return ActeEcho(
        number=attribute(echo, "NumeroInterne"),
        decision_date=read_date(attribute(echo, "Date")),
        nature_code=read_integer(attribute(echo, "CodeNatureActe")),
    )


def _current_classification(root: etree._Element) -> date | None:
    return read_date(text_of(child(root, "ClassificationDateVersionEnCours")))


def _unique_id(element: etree._Element) -> str:
    act = attribute(element, "IDActe")
    if not act:
        raise _Refused("IDActe absent")
    return act


def _required_date(element: etree._Element, name: str) -> date:
    day = read_date(attribute(element, name))
    if day is None:
        raise _Refused(f"{name} absente ou illisible")
    return day


def _siren(context: _Context) -> str | None:
    if context.envelope.siren:
        return context.envelope.siren
    parts = read_message_name(context.attachment.name)
    return parts.siren if parts else None


def _siren_of_files(root: etree._Element) -> str | None:
    """An anomaly repeats the act, and with it the names of its files, which hold the SIREN."""
    names = [text_of(one) for one in root.iter("{*}NomFichier")]
    acts = {document.unique_id for name in names if (document := read_document_name(name)) is not None}
    sirens = {parts.siren for act in acts if (parts := read_unique_id(act)) is not None}
    return sirens.pop() if len(sirens) == 1 else None
