"""Where a client is: the connection, or what nginx tells."""

import pytest
from aiohttp.test_utils import make_mocked_request

from tdt.web.address import client_address


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:", ""),
        ("", ""),
        ("192.0.2.7\x00", ""),
        ("192.0.2.7,", ""),
    ],
)
def test_the_last_address_that_nginx_tells(told: str, address: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": told})
    assert client_address(request, behind_nginx=True) == address


def test_a_client_of_the_tls_server_is_not_believed() -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7"})
    assert client_address(request, behind_nginx=False) == ""
