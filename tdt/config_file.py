"""The configuration file: read, expanded, its secrets fetched, every fault told at once."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tdt import crash
from tdt.config import Config, ConfigError, Credentials
from tdt.config_checks import find_inconsistencies


def load(path: Path) -> Config:
    """Read and check the file. Raises ConfigError with every fault found, not only the first."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from error
    document = _expanded(document)
    faults = [*_faults(document), *_unset(document)]
    if faults:
        raise ConfigError(faults)
    config, faults = _with_secrets(msgspec.convert(document, Config), path.parent)
    faults += [fault for fault in [crash.arm(config.tests.crash_points)] if fault]
    faults += find_inconsistencies(config)
    if faults:
        raise ConfigError(faults)
    return config


def _faults(document: dict[str, Any]) -> Iterator[str]:
    """Convert section by section, key by key, so that one fault does not hide the others."""
    sections: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for name, value in document.items():
        if name not in sections:
            yield f"[{name}]: unknown section"
        elif not isinstance(value, dict):
            yield f"{name}: must be a section"
        elif name == "credentials":
            for key, table in value.items():
                yield from _section_faults(f"credentials.{key}", Credentials, table)
        else:
            yield from _section_faults(name, sections[name], value)


LITERAL = ("dsn", "owner_dsn", "url", "login", "mailbox_login")
"""Values in which a dollar is a dollar."""
VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def _expanded(value: Any) -> Any:
    """Environment variables in texts: systemd tells a service its folder of credentials and its instance that way."""
    if isinstance(value, dict):
        return {key: part if key in LITERAL else _expanded(part) for key, part in value.items()}
    return os.path.expandvars(value) if isinstance(value, str) else value


def _unset(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in LITERAL:
                yield from _unset(part, f"{name}.{key}" if name else key)
    elif isinstance(value, str) and (found := VARIABLE.search(value)):
        yield f"{name}: {found[0]} is not set in the environment"


def _section_faults(name: str, section: Any, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"[{name}]: must be a section"
        return
    types = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in table.items():
        if key not in types:
            yield f"[{name}] {key}: unknown key"
            continue
        try:
            msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            yield f"[{name}] {key}: {error}"


def _with_secrets(config: Config, base: Path) -> tuple[Config, list[str]]:
    """Fill the keys whose secret lives in a file of its own (`dsn_file`…); also says which files cannot be read."""
    faults: list[str] = []

    def secret(value: str, name: str) -> str:
        if value or not name:
            return value
        try:
            return (base / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{base / name}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}")
            return UNREADABLE

    database, queue = config.database, config.queue
    database = msgspec.structs.replace(
        database,
        dsn=secret(database.dsn, database.dsn_file),
        owner_dsn=secret(database.owner_dsn, database.owner_dsn_file),
    )
    queue = msgspec.structs.replace(queue, url=secret(queue.url, queue.url_file))
    return msgspec.structs.replace(config, database=database, queue=queue), faults


UNREADABLE = "?"
"""In place of a secret whose file cannot be read: a fault of its own, not also a missing value."""
