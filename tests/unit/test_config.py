"""The configuration: every fault at once, secrets from files, nothing secret shown."""

from pathlib import Path

import pytest

from tdt.config import Config, ConfigError, Database, describe
from tdt.config_file import load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tdt.toml"


def loaded(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load(path)


def faults(path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(path, text)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def test_a_database_is_enough(path: Path) -> None:
    config = loaded(path, '[database]\ndsn = "postgresql:///tdt"\n')
    assert config == Config(database=Database(dsn="postgresql:///tdt"))
    assert (config.limits.pes_bytes, config.worker.concurrency) == (512 * 2**20, 8)


def test_every_fault_is_told_at_once(path: Path) -> None:
    text = """
log = 3
nothing = "x"

[server]
listen = 443
processes = "four"
tls_minimum = "1.1"
colour = "red"

[servers]
listen = ":443"

[database]
pool_size = 1.5

[actes]
return_addresses = ["a@b.fr", 7]

[credentials]
flat = "x"

[credentials.ministere]
passwort = "x"
login = 1
"""
    found = faults(path, text)
    assert [fault.partition(":")[0] for fault in found] == [
        "log",
        "[nothing]",
        "[server] listen",
        "[server] processes",
        "[server] tls_minimum",
        "[server] colour",
        "[servers]",
        "[database] pool_size",
        "[actes] return_addresses",
        "[credentials.flat]",
        "[credentials.ministere] passwort",
        "[credentials.ministere] login",
    ]
    assert "[server] colour: unknown key" in found
    assert "[servers]: unknown section" in found
    assert any("Expected `int`, got `str`" in fault for fault in found)


def test_every_inconsistency_is_told_at_once(path: Path) -> None:
    text = """
[server]
client_certificate = "nginx"
[worker]
heartbeat_seconds = 5
dead_after_seconds = 9
[actes]
poll_seconds = 0
[helios]
poll_seconds = -1.0
"""
    assert [fault.partition(":")[0] for fault in faults(path, text)] == [
        "[database] dsn or dsn_file",
        '[server] client_certificate = "nginx" is believed on a unix socket, or from trusted_proxies, only',
        "[worker] dead_after_seconds",
        "[actes] poll_seconds",
        "[helios] poll_seconds",
    ]


def test_a_mail_server_needs_what_it_needs(path: Path) -> None:
    database = '[database]\ndsn = "x"\n[mail]\n'
    assert loaded(path, f'{database}port = 25\nsender = "tdt@a.example"\n').mail.host == ""
    with pytest.raises(ConfigError) as caught:
        loaded(path, f'{database}host = "h"\ntls = "none"\nlogin = "l"\ntimeout = 0.0\n')
    with pytest.raises(ConfigError) as addresses:
        loaded(path, f'{database}host = "h"\nsender = "tdt"\noperators = ["a@b.fr", "a@b.fr\\nBcc: c@d.fr"]\n')
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "[mail] sender",
        "[mail] operators",
        '[mail] tls = "none" would send the password in clear',
        "[mail] password_file",
        "[mail] timeout",
    ]
    assert addresses.value.faults == [
        "[mail] 'a@b.fr\\nBcc: c@d.fr': not an e-mail address",
        "[mail] 'tdt': not an e-mail address",
    ]


def test_a_unix_socket_goes_with_nginx(path: Path) -> None:
    database = '[database]\ndsn = "x"\n'
    assert len(faults(path, database + '[server]\nlisten = "unix:/run/tdt.sock"\n')) == 1
    text = database + '[server]\nlisten = "unix:/run/tdt.sock"\nclient_certificate = "nginx"\n'
    assert loaded(path, text).server.listen == "unix:/run/tdt.sock"


@pytest.mark.parametrize("text", ["[server", "a = ", "[a]\n[a]\n", "x = 1\nx = 2\n"])
def test_what_is_no_toml_names_the_file(path: Path, text: str) -> None:
    assert [fault.startswith(f"{path}: ") for fault in faults(path, text)] == [True]


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tdt\.toml"):
        load(path)
    path.write_bytes(b'[log]\nlevel = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"tdt\.toml"):
        load(path)


def test_secrets_come_from_files_beside_the_configuration(path: Path) -> None:
    (path.parent / "dsn").write_text("postgresql://app:secret@/tdt\n")
    (path.parent / "owner").write_text("postgresql://owner:secret@/tdt\n")
    (path.parent / "amqp").write_text(" amqp://u:secret@h/ \n")
    text = '[database]\ndsn_file = "dsn"\nowner_dsn_file = "owner"\n[queue]\nurl_file = "amqp"\n'
    config = loaded(path, text)
    assert config.database.dsn == "postgresql://app:secret@/tdt"
    assert config.database.owner_dsn == "postgresql://owner:secret@/tdt"
    assert config.queue.url == "amqp://u:secret@h/"


def test_a_path_may_name_the_folder_that_systemd_gives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = path.parent / "credentials"
    folder.mkdir()
    (folder / "dsn").write_text("postgresql:///tdt")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert loaded(path, '[database]\ndsn_file = "$CREDENTIALS_DIRECTORY/dsn"\n').database.dsn == "postgresql:///tdt"


def test_a_variable_that_is_not_set_is_a_fault(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TDT_ABSENT", raising=False)
    text = '[database]\ndsn_file = "$TDT_ABSENT/dsn"\n[spool]\ndirectory = "${TDT_ABSENT}/spool"\n'
    assert faults(path, text) == [
        "database.dsn_file: $TDT_ABSENT is not set in the environment",
        "spool.directory: ${TDT_ABSENT} is not set in the environment",
    ]


def test_a_dollar_in_a_secret_is_a_dollar(path: Path) -> None:
    assert loaded(path, '[database]\ndsn = "postgresql://app:$HOME@/tdt"\n').database.dsn.count("$HOME") == 1


def test_every_secret_file_that_is_missing_is_told_at_once(path: Path) -> None:
    text = '[database]\ndsn_file = "absent"\nowner_dsn_file = "lost"\n[queue]\nurl_file = "gone"\n'
    found = faults(path, text)
    assert [Path(fault.partition(":")[0]).name for fault in found] == ["absent", "lost", "gone"]


def test_the_configuration_in_force_hides_its_secrets(path: Path) -> None:
    text = """
[database]
dsn = "postgresql://app:hunter2@/tdt"
[queue]
url = "amqp://u:hunter2@h/"
[credentials.ministere]
login = "tdt"
password_file = "/run/secrets/ministere"
"""
    shown = describe(loaded(path, text))
    assert "hunter2" not in shown
    assert "database.dsn = '***'" in shown.splitlines()
    assert "database.owner_dsn = ''" in shown.splitlines()
    assert "queue.url = '***'" in shown.splitlines()
    assert "worker.concurrency = 8" in shown.splitlines()
    assert "/run/secrets/ministere" in shown


def test_it_cannot_be_changed(path: Path) -> None:
    config = loaded(path, '[database]\ndsn = "x"\n')
    with pytest.raises(AttributeError):
        config.database.dsn = "y"  # type: ignore[misc]


def test_a_limit_of_wrong_passwords_is_positive(tmp_path: Path) -> None:
    path = tmp_path / "tdt.toml"
    text = '[database]\ndsn = "x"\n[login]\nfailures = 0\nwindow_seconds = -1.0\n'
    assert faults(path, text) == [
        "[login] failures: must be positive",
        "[login] window_seconds: must be positive",
    ]


def test_the_settings_against_forged_mails_hold_together(path: Path) -> None:
    base = '[database]\ndsn = "x"\n[actes]\n'
    assert faults(path, base + 'mail_networks = ["10.0.0.0/40"]\nmail_relays = ["smtp", "192.0.2.300"]\n') == [
        "[actes] mail_networks: '10.0.0.0/40' is not an address nor a network",
        "[actes] mail_relays: 'smtp' is not an address, a network nor a domain",
        "[actes] mail_relays: '192.0.2.300' is not an address, a network nor a domain",
        "[actes] mail_servers: missing; without the names of our own mail servers no trace header can be believed",
    ]
    assert [one.partition(":")[0] for one in faults(path, base + 'authentication_results = "mx"\n')] == [
        "[actes] mail_servers",
        "[actes] authentication_domains",
    ]
    assert faults(path, base + 'authentication_domains = ["etat.test"]\n')[0].startswith(
        "[actes] authentication_results: missing"
    )
    good = 'mail_servers = ["mx"]\nmail_relays = ["192.0.2.0/24", "2001:db8::1", ".etat.test", "smtp.etat.test"]\n'
    assert loaded(path, base + good).actes.mail_rules.ask_something
