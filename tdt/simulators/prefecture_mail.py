"""The e-mail that carries an answer of the préfecture: an HTML body that nobody should parse, then the files."""

import html
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from tdt.simulators.prefecture_answers import File

SENDER = "ACTES (simulateur) <ne-pas-repondre@prefecture.test>"


@dataclass(frozen=True, slots=True)
class Mail:
    """`rows`: label → value of the table shown; `files`: in the order in which they are attached."""

    to: Sequence[str]
    subject: str
    rows: Mapping[str, str]
    files: Sequence[File]


def build_mail(mail: Mail, when: datetime) -> bytes:
    """multipart/mixed: HTML in ISO-8859-1, then each file under its name, bytes untouched (base64)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = SENDER
    message["To"] = ", ".join(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(when)
    message["Message-ID"] = f"<{uuid.uuid4()}@prefecture.test>"
    message.set_content(_page(mail.rows), subtype="html", charset="iso-8859-1", cte="quoted-printable")
    for file in mail.files:
        maintype, subtype = ("text", "xml") if file.name.endswith(".xml") else ("application", "pdf")
        message.add_attachment(file.data, maintype=maintype, subtype=subtype, filename=file.name)
    return message.as_bytes()


def _page(rows: Mapping[str, str]) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(label)} :</td><td>{html.escape(value)}</td></tr>\n" for label, value in rows.items()
    )
    page = f"<html><body>\n<table>\n{lines}</table>\n</body></html>\n"
    return page.encode("iso-8859-1", "xmlcharrefreplace").decode("iso-8859-1")
