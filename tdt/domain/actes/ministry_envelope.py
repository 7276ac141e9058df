"""The envelopes of the ministry found in a mail, and which of them a message came in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from tdt.domain.actes.mail import Attachment
from tdt.domain.actes.reading import attribute, child, children, text_of
from tdt.domain.xml import local_name

ENVELOPE = "EnveloppeMISILLCL"


@dataclass(frozen=True, slots=True)
class MinistryEnvelope:
    """What an EnveloppeMISILLCL says, empty when there is none. `forms`: the messages that it lists."""

    name: str = ""
    siren: str | None = None
    xml: bytes = b""
    forms: tuple[str, ...] = ()


def read_envelopes(trees: Sequence[tuple[Attachment, etree._Element]]) -> Iterator[MinistryEnvelope]:
    """Those among the XML files of a mail."""
    for attachment, root in trees:
        if local_name(str(root.tag)) == ENVELOPE:
            forms = children(child(root, "FormulairesEnvoyes"), "Formulaire")
            yield MinistryEnvelope(
                name=attachment.name,
                siren=attribute(child(root, "Destinataire"), "SIREN") or None,
                xml=attachment.data,
                forms=tuple(text_of(child(form, "NomFichier")) for form in forms),
            )


def envelope_of(name: str, envelopes: Sequence[MinistryEnvelope]) -> MinistryEnvelope:
    """The envelope that lists this message, else the only one: a mail with several is for several collectivités."""
    for envelope in envelopes:
        if name.casefold() in {form.casefold() for form in envelope.forms}:
            return envelope
    return envelopes[0] if len(envelopes) == 1 else MinistryEnvelope()
