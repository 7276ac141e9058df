"""The address that an agent goes back to: what is kept, encoded, refused."""

import pytest

from tdt.domain.errors import Refused
from tdt.web.returning import check_return, fill_return


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("", ""),
        ("about:blank", "about:blank"),
        ("https://a.example", "https://a.example"),
        ("HTTP://A.example:8443/x?b=1&c=%20#d", "HTTP://A.example:8443/x?b=1&c=%20#d"),
        ("https://a.example/é?m=%%MESSAGE%%", "https://a.example/%C3%A9?m=%%MESSAGE%%"),
        ('https://a.example/?a=b c"<>', "https://a.example/?a=b%20c%22%3C%3E"),
        ("https://[::1]:8443/", "https://[::1]:8443/"),
        (" https://a.example/ ", "https://a.example/"),
    ],
)
def test_what_is_kept(url: str, kept: str) -> None:
    assert check_return(url, []) == kept


@pytest.mark.parametrize(
    "url",
    [
        "a.example",
        "//a.example/",
        "javascript://a.example/%0aalert(1)",
        "https://",
        "https:a.example",
        "https://[a/",
        "https://a.example/\r\nX: y",
        "about:config",
    ],
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        check_return(url, [])
    assert refusal.value.code == "ADRESSE_DE_RETOUR"


def test_the_hosts_that_are_allowed() -> None:
    hosts = ["Pastell.example"]
    assert check_return("https://pastell.EXAMPLE:8443/", hosts)
    assert check_return("about:blank", hosts)
    for url in (
        "https://evil.example/",
        "https://pastell.example.evil.example/",
        "https://pastell.example@evil.example/",
    ):
        with pytest.raises(Refused):
            check_return(url, hosts)


def test_the_placeholders() -> None:
    url = "https://a.example/?e=%%ERROR%%&m=%%MESSAGE%%"
    assert fill_return(url, "0", "") == "https://a.example/?e=0&m="
    assert fill_return(url, "1", "L'été\r\n&x=1") == "https://a.example/?e=1&m=L%27%C3%A9t%C3%A9%0D%0A%26x%3D1"
