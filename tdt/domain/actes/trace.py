"""The trace headers of a mail, read with suspicion: `Received` (RFC 5321) and `Authentication-Results` (RFC 8601).

Whoever writes a mail chooses part of what our own server notes of it (the name it greets with, its certificate): a
header that could be read in two ways is not read at all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_BRACKETED = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]")
_BARE = re.compile(r"(?:[^\s@()\[\]]+@)?([0-9A-Fa-f:.]{2,45})")
_HELO = re.compile(r"\b(?:helo|ehlo)[= ]\S+", re.IGNORECASE)
_NAMED = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\.? \[(?:IPv6:)?[0-9A-Fa-f:.]+\]")
# Comments of Postfix that hold what a client's certificate says of itself, or how it logged in.
_NOT_A_PEER = ("using tls", "using ssl", "client cn ", "no client cert", "authenticated sender")
_RESULT = re.compile(r"\s*([A-Za-z0-9-]+)(?:\s*/\s*[0-9]+)?\s*=\s*([A-Za-z0-9-]+)(.*)", re.DOTALL)
_PROPERTY = re.compile(r"\b([A-Za-z0-9-]+)\s*\.\s*([A-Za-z0-9_-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^\s;\"]+)")


@dataclass(frozen=True, slots=True)
class Hop:
    """One `Received`: the server that wrote it, and who handed it the mail. `peer` None: handed over on the machine.

    `name`: what the DNS says of the peer, checked by the server that wrote it (Postfix, Sendmail); empty otherwise.
    """

    by: str
    peer: Address | None
    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict: method, result, and its properties (`header.d`), all in lower case."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...]


def read_received(value: str) -> Hop | None:
    """What a `Received` says, None when it cannot be read with certainty."""
    parts = list(_parts(value))
    words = [text.lower() for text, is_comment in parts if not is_comment and text]
    if words.count("by") != 1:
        return None
    by = words.index("by")
    if by + 1 >= len(words):
        return None
    host = words[by + 1].rstrip(".;")
    if not host:
        return None
    if by == 0:
        return Hop(host, None, "")
    if words[0] != "from" or by != 2:
        return None
    place = next(number for number, (text, is_comment) in enumerate(parts) if not is_comment and text.lower() == "by")
    return _peer(host, words[1], [text for text, is_comment in parts[:place] if is_comment])


def _peer(host: str, greeting: str, comments: list[str]) -> Hop | None:
    told = [comment for comment in comments if not comment.lower().startswith(_NOT_A_PEER)]
    found = [(comment, address) for comment in told if (address := _address(comment)) is not None]
    if len(found) > 1:
        return None
    if found:
        comment, peer = found[0]
        named = _NAMED.fullmatch(comment.strip())
        name = named[1].lower() if named and named[1].lower() != "unknown" else ""
        return Hop(host, peer, name)
    literal = _BRACKETED.fullmatch(greeting)
    if literal and any("helo" in one.lower() for one in told):
        # Exim without a name for its client: from [192.0.2.1] (helo=…)
        return Hop(host, _parse(literal[1]), "")
    # a peer must be named somewhere, or be on the machine: nothing in between
    return None if literal or any(_BRACKETED.search(comment) for comment in comments) else Hop(host, None, "")


def _address(comment: str) -> Address | None:
    text = _HELO.sub("", comment)
    bracketed = _BRACKETED.findall(text)
    if len(bracketed) == 1:
        return _parse(bracketed[0])
    bare = _BARE.fullmatch(text.strip())
    return _parse(bare[1]) if bare and not bracketed else None


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _parts(value: str) -> Iterator[tuple[str, bool]]:
    """Words and comments (without their parentheses) up to the date, in order; a lone parenthesis gives "by" twice."""
    depth, start = 0, 0
    text = value.rpartition(";")[0] or value
    word = ""
    for place, char in enumerate(text):
        if char == "(":
            if depth == 0:
                yield from _words(word)
                word, start = "", place + 1
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                yield " ".join(text[start:place].split()), True
            elif depth < 0:
                break
        elif depth == 0:
            word += char
    if depth:
        yield from (("by", False), ("by", False))
    yield from _words(word)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    return ((word, False) for word in text.split())


def read_results(value: str) -> tuple[str, tuple[Result, ...]]:
    """Whose an `Authentication-Results` is (authserv-id, in lower case) and its verdicts."""
    first, *rest = _split(value)
    name = first.split()[0] if first.split() else ""
    return name.strip('"').lower(), tuple(result for text in rest if (result := _result(text)) is not None)


def _result(text: str) -> Result | None:
    match = _RESULT.match(text)
    if match is None:
        return None
    properties = tuple(
        (f"{kind}.{name}".lower(), found.strip('"').lower()) for kind, name, found in _PROPERTY.findall(match[3])
    )
    return Result(match[1].lower(), match[2].lower(), properties)


def _split(value: str) -> list[str]:
    """At the semicolons that are neither in a quoted string nor in a comment; comments left out."""
    pieces, depth, quoted, escaped = [""], 0, False, False
    for char in value:
        if escaped or char == "\\":
            escaped = not escaped
        elif char == '"' and depth == 0:
            quoted = not quoted
        elif not quoted and char in "()":
            depth = max(0, depth + (1 if char == "(" else -1))
            continue
        elif char == ";" and not quoted and depth == 0:
            pieces.append("")
            continue
        if depth == 0:
            pieces[-1] += char
    return pieces
