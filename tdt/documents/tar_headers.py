"""The 512-byte headers of tar and what extends them, read by hand: of all that tar can say, very little is accepted."""

from dataclasses import dataclass

BLOCK = 512
REGULAR = ("0", "\0")
LONG_NAME, PAX, PAX_GLOBAL = "L", "x", "g"
FOLDER = "5"
RECORD_DIGITS = 6

KINDS = {"1": "un lien", "2": "un lien", "K": "un lien", "3": "un périphérique", "4": "un périphérique"}
KINDS |= {FOLDER: "un dossier", "6": "un tube", "S": "un fichier creux"}


class TarFault(ValueError):
    """Not a tar that we read; the text, if any, says why in French."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header: `kind` is tar's type flag."""

    name: str
    size: int
    kind: str

    @property
    def is_extension(self) -> bool:
        """It says something of the next member."""
        return self.kind in (LONG_NAME, PAX, PAX_GLOBAL)

    @property
    def is_top_folder(self) -> bool:
        """The `./` with which `tar -C folder .` begins: nothing."""
        return self.kind == FOLDER and self.name in ("./", ".") and self.size == 0

    def check_regular(self, name: str) -> None:
        """Raise TarFault unless this member, known under this name, is a plain file."""
        if self.kind not in REGULAR:
            what = KINDS.get(self.kind, "d'un type inconnu")
            raise TarFault(f"Dans l'archive, {name[:200]!r} est {what} : seuls des fichiers sont acceptés.")


def read_header(block: bytes) -> Header:
    """Read a header that is not all zeros. Raises TarFault."""
    stated = _octal(block[148:156])
    # the sum is taken with spaces in its own place; old writers took the bytes as signed
    summed = block[:148] + b" " * 8 + block[156:]
    if stated not in (sum(summed), sum(byte - 256 if byte > 127 else byte for byte in summed)):
        raise TarFault("")
    name, kind = _text(block[:100]), chr(block[156])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    return Header(name, _octal(block[124:136]), kind)


def read_records(kind: str, data: bytes) -> dict[str, str]:
    """What an extension says of the next member: `path` and `size`, all else being of no consequence here.

    Raises TarFault where it cannot be read, or changes what a file is.
    """
    if kind == LONG_NAME:
        return {"path": _text(data)}
    records = _read_pax(data)
    for key in records:
        if key == "linkpath" or key.startswith("GNU.sparse") or (kind == PAX_GLOBAL and key in ("path", "size")):
            raise TarFault("L'archive contient des fichiers creux ou des liens : seuls des fichiers sont acceptés.")
    return {key: value for key, value in records.items() if key in ("path", "size")}


def _read_pax(data: bytes) -> dict[str, str]:
    """`LENGTH KEY=VALUE\\n`, the length counting itself, one after the other."""
    records: dict[str, str] = {}
    while data:
        digits, blank, _ = data[: RECORD_DIGITS + 1].partition(b" ")
        if not blank or not digits.isdigit():
            raise TarFault("")
        length = int(digits)
        record, data = data[:length], data[length:]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != length or length <= len(digits) + 1 or not record.endswith(b"\n") or not equals:
            raise TarFault("")
        records[_decode(key)] = _decode(value)
    return records


def _octal(field: bytes) -> int:
    """A number of a header. The binary form of GNU tar, for sizes of 8 GiB and more, is not read."""
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit() or digits.strip(b"01234567"):
        raise TarFault("")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return _decode(field.partition(b"\0")[0])


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
