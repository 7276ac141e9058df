"""SIREN and SIRET of the INSEE: their digits and their check digit."""

LA_POSTE = "356000000"
"""Its establishments are numbered apart: the sum of their digits is a multiple of five."""


def is_siren(text: str) -> bool:
    """Nine digits that pass Luhn's check."""
    return _is_number(text, 9) and _luhn(text) % 10 == 0


def is_siret(text: str) -> bool:
    """Fourteen digits: a SIREN, then five of the establishment; the whole passes Luhn's check."""
    if not _is_number(text, 14):
        return False
    if text.startswith(LA_POSTE) and sum(map(int, text)) % 5 == 0:
        return True
    return _luhn(text) % 10 == 0


def _is_number(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()


def _luhn(digits: str) -> int:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return sum(map(int, digits[-1::-2])) + sum(value - 9 if value > 9 else value for value in doubled)
