"""Where an agent's browser goes back to: the `url_return` that its software wrote, made safe for a header.

S2LOW sends the browser wherever it is told. So do we, for a software may be anywhere, within limits: http, https or
about:blank; no control character; no other host than those of `actes.return_hosts`, if there are any.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from tdt.domain.errors import Refused

NOT_ACCEPTED = "L'adresse de retour n'est pas une adresse http ou https acceptée par cette plate-forme."
BLANK = "about:blank"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KEPT = "%/:=&?~#+!$,;'@()*[]|"
"""What stays as it is in the address: all that has a meaning there, percent signs included."""


def check_return(url: str, hosts: Sequence[str]) -> str:
    """The address as a header carries it; empty when the client gave none. Raises Refused."""
    url = url.strip(" ")
    if not url or url == BLANK:
        return url
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or CONTROL.search(url) or "\\" in parts.netloc or parts.scheme not in ("http", "https"):
        raise Refused(NOT_ACCEPTED, code="ADRESSE_DE_RETOUR")
    if hosts and host not in {one.lower() for one in hosts}:
        raise Refused(NOT_ACCEPTED, code="ADRESSE_DE_RETOUR")
    return quote(url, safe=KEPT)


def fill_return(url: str, error: str, message: str) -> str:
    """S2LOW's placeholders filled; the message is percent-encoded, where S2LOW writes it raw into the header."""
    return url.replace("%%ERROR%%", error).replace("%%MESSAGE%%", quote(message, safe=""))
