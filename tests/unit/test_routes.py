"""Settings of routes: what nothing reads is refused, so is what is of another type."""

import pytest

from tdt.domain.routes import SETTINGS, Transport, find_setting_fault


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"rename": True, "senders": 3, "p_appli": "X", "zip": False, "port": 21, "check_size": None}, ""),
        ({"renam": True}, "Une route ftp_gateway n'a pas de réglage « renam » ; elle a : check_size, host"),
        ({"rename": "yes"}, "Le réglage « rename » doit être true ou false."),
        ({"senders": True}, "Le réglage « senders » doit être un nombre entier."),
        ({"host": 12}, "Le réglage « host » doit être un texte."),
    ],
)
def test_settings(settings: dict[str, object], fault: str) -> None:
    assert find_setting_fault(Transport.FTP_GATEWAY, settings).startswith(fault)
    assert bool(find_setting_fault(Transport.FTP_GATEWAY, settings)) == bool(fault)


def test_several_types() -> None:
    assert find_setting_fault(Transport.HTTPS, {"server_certificates": ["a"], "connect_seconds": 2.5}) == ""
    assert find_setting_fault(Transport.HTTPS, {"server_certificates": 1}).endswith("un texte ou une liste.")


def test_only_ftp_has_passive_addresses() -> None:
    assert [one for one in Transport if "use_pasv_address" in SETTINGS[one]] == [
        Transport.FTP_GATEWAY,
        Transport.FTP_SIMULATOR,
        Transport.PASSTRANS_FTPS,
    ]
