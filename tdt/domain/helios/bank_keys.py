"""Keys of bank accounts: IBAN (ISO 13616) and RIB."""

import re

IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}")
RIB_KEYS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")
"""Value of each letter in the key of a RIB: three runs of nine, the last one begins at 2."""
FRENCH = frozenset(["FR", "MC", "GF", "GP", "MQ", "RE", "YT", "PM", "BL", "MF", "NC", "PF", "WF", "TF"])
"""Countries of IBANs that are no domiciliation abroad."""


def is_iban(text: str) -> bool:
    """Country, key and number: the whole, country and key moved to its end and letters counted from 10, is 1 mod 97."""
    if not IBAN.fullmatch(text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_rib(bank: str, counter: str, account: str, key: str) -> bool:
    """Bank (5), counter (5), account (11) and their key (2)."""
    parts = [part.upper().translate(RIB_KEYS) for part in (bank.zfill(5), counter.zfill(5), account.zfill(11), key)]
    if [len(part) for part in parts] != [5, 5, 11, 2] or not all(part.isascii() and part.isdigit() for part in parts):
        return False
    return (89 * int(parts[0]) + 15 * int(parts[1]) + 3 * int(parts[2]) + int(parts[3])) % 97 == 0
