"""The folders of a route's mailbox, from its settings; and the answers of FETCH in the forms that servers give them."""

import pytest

from tdt.domain.errors import Permanent
from tdt.domain.ids import RouteId
from tdt.domain.routes import Route, RouteKind, Transport
from tdt.remote.imap_fetched import Fetched, read_fetched
from tdt.remote.routes import Remotes


def folders(settings: dict[str, object]) -> list[str]:
    route = Route(RouteId(1), RouteKind.ACTES, Transport.HTTPS, "ministère", settings, "")
    return list(Remotes({}).mailbox_folders(route))


def test_one_folder_or_several() -> None:
    assert folders({}) == ["INBOX"]
    assert folders({"imap_folder": "ACTES"}) == ["ACTES"]
    assert folders({"imap_folders": ["INBOX", "Junk", "INBOX"], "imap_done_folder": "Faits"}) == ["INBOX", "Junk"]


@pytest.mark.parametrize(
    "settings",
    [
        {"imap_folders": []},
        {"imap_folders": "INBOX"},
        {"imap_folders": ["INBOX", 3]},
        {"imap_folders": ["INBOX", ""]},
        {"imap_folders": ["INBOX", "Faits"], "imap_done_folder": "Faits"},
        {"imap_done_folder": "inbox"},
    ],
)
def test_settings_that_would_read_nothing_or_read_for_ever(settings: dict[str, object]) -> None:
    with pytest.raises(Permanent, match="ministère"):
        folders(settings)


def test_answers_of_fetch() -> None:
    lines: list[bytes | bytearray] = [
        b"1 FETCH (UID 5 BODY[] {3}",
        bytearray(b"a\r\n"),
        b")",
        b"2 FETCH (FLAGS (\\Seen))",
        b"3 FETCH (BODY[]<0> {2}",
        bytearray(b"UI"),
        b" UID 7)",
        b'* 4 FETCH (UID 8 BODY[] "UID 9 \\"x\\"")',
        b"5 FETCH (UID 10 BODY[]<20> NIL)",
        b"6 FETCH (RFC822.SIZE 42 UID 11)",
        b"FETCH completed",
    ]
    assert list(read_fetched(lines)) == [
        Fetched(5, None, b"a\r\n"),
        Fetched(7, None, b"UI"),
        Fetched(8, None, b'UID 9 "x"'),
        Fetched(10, None, b""),
        Fetched(11, 42, None),
    ]
    assert list(read_fetched([b"FETCH completed"])) == list(read_fetched([])) == []
