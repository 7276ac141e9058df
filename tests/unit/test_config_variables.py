"""Environment variables in the configuration: what systemd tells a service."""

from pathlib import Path

import pytest

from tdt.config import ConfigError
from tdt.config_file import load

TEXT = """
[server]
listen = "unix:/run/tdt/web-$TDT_INSTANCE/http.sock"
client_certificate = "nginx"
health = "127.0.0.1:910${TDT_INSTANCE}"
key = "$CREDENTIALS_DIRECTORY/server.key"
[database]
dsn_file = "$CREDENTIALS_DIRECTORY/dsn"
[queue]
url = "amqp://tdt:a$HOME@localhost/"
[credentials.prefecture]
login = "$HOME"
password_file = "$CREDENTIALS_DIRECTORY/password"
"""


def test_they_are_expanded_but_in_secrets_and_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDT_INSTANCE", "2")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "dsn").write_text("postgresql://tdt:p$HOME@db/tdt\n")
    (tmp_path / "tdt.toml").write_text(TEXT)
    config = load(tmp_path / "tdt.toml")
    assert config.server.listen == "unix:/run/tdt/web-2/http.sock"
    assert config.server.health == "127.0.0.1:9102"
    assert config.server.key == f"{tmp_path}/server.key"
    assert config.database.dsn == "postgresql://tdt:p$HOME@db/tdt"
    assert config.queue.url == "amqp://tdt:a$HOME@localhost/"
    assert config.credentials["prefecture"].login == "$HOME"
    assert config.credentials["prefecture"].password_file == f"{tmp_path}/password"


def test_one_that_is_not_set_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TDT_INSTANCE", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "tdt.toml").write_text(TEXT)
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "tdt.toml")
    assert raised.value.faults == [
        "server.listen: $TDT_INSTANCE is not set in the environment",
        "server.health: ${TDT_INSTANCE} is not set in the environment",
    ]
