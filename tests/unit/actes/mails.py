"""Mails of the ministry built in tests, and the samples of tests/data/actes."""

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from tdt.domain.actes.mail import Attachment, MinistryMail

DATA = Path(__file__).resolve().parents[2] / "data" / "actes"
NAMESPACES = (
    'xmlns:actes="http://www.interieur.gouv.fr/ACTES#v1.1-20040216" xmlns:insee="http://xml.insee.fr/schema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
PROLOG = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
ACT = "034-123456782-20260309-2026_017-DE"
ECHO = 'actes:Date="2026-03-09" actes:NumeroInterne="2026_017" actes:CodeNatureActe="1"><actes:Objet>Été</actes:Objet>'


def sample(name: str) -> bytes:
    """A mail of tests/data/actes."""
    return (DATA / name).read_bytes()


def xml(root: str, attributes: str = "", content: str = "", encoding: str = "latin-1") -> bytes:
    """A message, declared ISO-8859-1 whatever its bytes are."""
    text = f"{PROLOG}<actes:{root} {NAMESPACES} {attributes}>{content}</actes:{root}>\n"
    return text.encode(encoding)


def ar(attributes: str = f'actes:IDActe="{ACT}" actes:DateReception="2026-03-10"', encoding: str = "latin-1") -> bytes:
    """A message 1-2."""
    content = f"<actes:ActeRecu {ECHO}</actes:ActeRecu>"
    return xml("ARActe", attributes, content, encoding)


def envelope(*forms: str, siren: str = "123456782") -> bytes:
    """An envelope of the ministry that lists these messages."""
    names = "".join(f"<actes:Formulaire>{file_name(form)}</actes:Formulaire>" for form in forms)
    recipient = f'<actes:Destinataire insee:SIREN="{siren}"/>'
    content = f"<actes:FormulairesEnvoyes>{names}</actes:FormulairesEnvoyes>{recipient}"
    return xml("EnveloppeMISILLCL", "", content)


def file_name(name: str) -> str:
    """The element that names a file."""
    return f"<actes:NomFichier>{name}</actes:NomFichier>"


def mail(*files: tuple[str, bytes], multicanal: bool = False) -> MinistryMail:
    """A mail already taken apart."""
    return MinistryMail(tuple(Attachment(name, data) for name, data in files), multicanal)


def raw_mail(*files: tuple[str, bytes], body: str = "<p>AR</p>") -> bytes:
    """A mail as it travels: HTML body and these files."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "ne-pas-repondre@etat.test"
    message["Subject"] = "Accusé de réception"
    message.set_content(body, subtype="html")
    for name, data in files:
        message.add_attachment(data, maintype="text", subtype="xml", filename=name)
    return message.as_bytes()
