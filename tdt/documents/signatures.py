"""The tasks of children that read signatures: those inside a PDF, and one that was posted beside its document."""

from dataclasses import dataclass

from tdt.documents.child import Task
from tdt.domain.actes.signatures import XmlSignaturesOrder
from tdt.domain.helios.signatures import PesSignatures, PesSignaturesOrder
from tdt.domain.signatures import Signatures


@dataclass(frozen=True, slots=True)
class PdfSignaturesOrder:
    """The file is all that is needed."""


@dataclass(frozen=True, slots=True)
class Detached:
    """A detached signature (PKCS#7, in PEM); its document is the file."""

    text: str


PDF_SIGNATURES = Task("tdt.documents.pdf.signatures", "read_signatures", PdfSignaturesOrder, Signatures)
XML_SIGNATURES = Task("tdt.certificates.xades", "read_xml_signatures", XmlSignaturesOrder, Signatures)
DETACHED_SIGNATURE = Task("tdt.documents.pdf.detached", "read_detached", Detached, Signatures)
PES_SIGNATURES = Task("tdt.certificates.pes_signatures", "read_pes_signatures", PesSignaturesOrder, PesSignatures)
