"""Text that goes into the ISO-8859-1 messages of ACTES: readable in Latin-1 without losing anything."""

import re
import unicodedata

SUBJECT_LIMIT = 500
"""Longest `Objet` that the schema of the ministry takes, in characters."""

# Characters that XML 1.0 cannot carry, even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A client that posts Windows-1252 under the name of ISO-8859-1 gives these control characters: 0x92 is its apostrophe.
_WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}

_TRANSLITERATION = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "ʼ": "'", "′": "'", "‹": "'", "›": "'",
        "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"',
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-",
        "•": "-", "‣": "-", "◦": "-", "▪": "-", "●": "-",
        "…": "...", "€": "euro", "œ": "oe", "Œ": "OE", "™": "TM", "‰": "o/oo", "№": "n°",
        "Ÿ": "Y", "Š": "S", "š": "s", "Ž": "Z", "ž": "z", "ƒ": "f",
        "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl",
        "≤": "<=", "≥": ">=", "→": "->", "←": "<-",
        "⇒": "=>", "⇐": "<=", "≠": "<>", "⁄": "/", "∕": "/",
        "\u2000": " ", "\u2001": " ", "\u2004": " ", "\u2005": " ", "\u2006": " ", "\u2008": " ", "\u205f": " ",
        "\u3000": " ", "\u2002": " ", "\u2003": " ", "\u2009": " ", "\u200a": " ",
        "\u202f": "\u00a0", "\u2007": "\u00a0",
        "\u200b": None, "\u200c": None, "\u200d": None, "\u2060": None, "\ufeff": None,
        "\u2028": "\n", "\u2029": "\n",
    }
)  # fmt: skip


def xml_text(text: str) -> str:
    """The text without the characters that XML cannot carry."""
    return _FORBIDDEN.sub("", text)


def to_latin1_subject(text: str) -> str:
    """The text with typographic characters written with those of ISO-8859-1, accents kept.

    What has no equivalent stays as it is: the writer turns it into a numeric reference. A text that the equivalents
    would make longer than an `Objet` may be stays as it is too, since a reference counts for one character.
    """
    plain = xml_text(text.translate(_WINDOWS_1252))
    readable = unicodedata.normalize("NFC", plain).translate(_TRANSLITERATION)
    return readable if len(readable) <= SUBJECT_LIMIT else plain
