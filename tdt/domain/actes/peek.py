"""Whom a mail of the ministry seems to answer, before it is read: a look at its first bytes, for its turn alone."""

import re
from itertools import islice

from tdt.domain.actes.authenticity import MailRules, find_doubt
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.naming import find_unique_id
from tdt.domain.turns import Look

PEEKED = 64 * 1024
"""Bytes looked at: the names of the files of an AR are in the first thousands."""
_LOOKED = 50
_MOST = 8
"""Acts and SIREN kept of one mail."""
_DEPARTMENT = 3

# in the names of files, of envelopes, in an IDActe: between dashes, of which base64 has none
_SIREN = re.compile(r"-([0-9]{9})(?=-)", re.ASCII)


def peek(start: bytes, rules: MailRules) -> Look:
    """The acts and SIREN that the start of a mail names, in their order; nothing of one that proves no origin.

    Never raises, whatever the bytes. Nothing of it is proof: it may decide when a mail is read, never what becomes of
    it.
    """
    if rules.ask_something and find_doubt(read_headers(start[:PEEKED]), rules):
        return Look()
    text = start[:PEEKED].decode("latin-1")
    acts: dict[str, None] = {}
    sirens: dict[str, None] = {}
    for found in islice(_SIREN.finditer(text), _LOOKED):
        sirens[found[1]] = None
        act = find_unique_id(text, max(found.start() - _DEPARTMENT, 0))
        if act:
            acts[act] = None
    return Look(tuple(acts)[:_MOST], tuple(sirens)[:_MOST])
