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

LOGO = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
"""The beginning and the end of a JPEG: nobody looks at it."""
SENDER = "ACTES (simulateur) <ne-pas-repondre@prefecture.test>"


@dataclass(frozen=True, slots=True)
class Mail:
    """`rows`: label → value of the table shown; `files`: in the order in which they are attached."""

    to: Sequence[str]
    subject: str
    rows: Mapping[str, str]
    files: Sequence[File]


def build_mail(mail: Mail, when: datetime, shape: str = "plain") -> bytes:
    """HTML in ISO-8859-1, then each file under its name, bytes untouched (base64).

    `plain`: in a multipart/mixed; `logo`: with an inline image after the files; `nested`: the files in a
    multipart/mixed of their own, beside the HTML in a multipart/alternative.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = SENDER
    message["To"] = ", ".join(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(when)
    message["Message-ID"] = f"<{uuid.uuid4()}@prefecture.test>"
    message.set_content(_page(mail.rows, shape), subtype="html", charset="iso-8859-1", cte="quoted-printable")
    holder = message
    if shape == "nested":
        message.make_alternative()
        holder = EmailMessage(policy=SMTP)
        holder.make_mixed()
    for file in mail.files:
        maintype, subtype = ("text", "xml") if file.name.endswith(".xml") else ("application", "pdf")
        holder.add_attachment(file.data, maintype=maintype, subtype=subtype, filename=file.name)
    if holder is not message:
        message.attach(holder)
    if shape == "logo":
        message.add_attachment(
            LOGO, maintype="image", subtype="jpeg", filename="logo.jpg", cid="<logo.jpg>", disposition="inline"
        )
    return message.as_bytes()


def _page(rows: Mapping[str, str], shape: str) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(label)} :</td><td>{html.escape(value)}</td></tr>\n" for label, value in rows.items()
    )
    logo = '<img src="cid:logo.jpg">\n' if shape == "logo" else ""
    page = f"<html><body>\n{logo}<table>\n{lines}</table>\n</body></html>\n"
    return page.encode("iso-8859-1", "xmlcharrefreplace").decode("iso-8859-1")
