"""Every option of tdt/config.py stands in conf/tdt.toml.example with its default and a word on it, and is used."""

import re
import tomllib
from typing import Any

import msgspec
import pytest

from tdt.config import Config, ConfigError, Credentials
from tdt.config_file import load
from tests.architecture.sources import ROOT, modules

EXAMPLE = ROOT / "conf/tdt.toml.example"
COMMENTED_KEY = re.compile(r"^#(?=[a-z_]+ = )")
KEY = re.compile(r"^#?([a-z_]+) = ")


def example_lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def example() -> dict[str, Any]:
    """The file with every key taken out of its comment."""
    return tomllib.loads("\n".join(COMMENTED_KEY.sub("", line) for line in example_lines()))


def options() -> dict[str, dict[str, object]]:
    """Defaults by section; those of `credentials` once, whatever the names of its sections."""
    found = {}
    for section in msgspec.structs.fields(Config):
        kind: Any = Credentials if section.name == "credentials" else section.type
        found[section.name] = msgspec.to_builtins(kind())
    return found


SECTIONS = [name for name in options() if name != "credentials"]


def test_the_sections_are_those_of_the_program() -> None:
    assert set(example()) == set(options())


@pytest.mark.parametrize("section", SECTIONS)
def test_every_option_is_shown_with_its_default(section: str) -> None:
    assert example()[section] == options()[section]


def test_every_option_of_the_credentials_is_shown() -> None:
    shown = example()["credentials"].values()
    assert set().union(*shown) == set(options()["credentials"])
    assert all(value == "" for section in shown for value in section.values())


def test_every_option_is_explained() -> None:
    """A comment stands above each key, or above the run of keys that it begins."""
    lines = example_lines()
    for number, line in enumerate(lines):
        if KEY.match(line):
            above = lines[number - 1]
            assert above.startswith("# ") or KEY.match(above), f"line {number + 1}: {line}"


def test_the_file_as_it_is_lacks_only_the_database() -> None:
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLE)
    assert caught.value.faults == ["[database] dsn or dsn_file: missing"]


def test_every_option_changes_something() -> None:
    """An option that no code reads promises what nobody does. tdt/config_file.py itself reads the `_file` ones."""
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in modules("tdt") if path.parts[-2] not in ("sandbox", "simulators")
    )
    keys = {f"{section}.{key}" for section, table in options().items() for key in table}
    assert [name for name in sorted(keys) if not re.search(rf"\.{name.partition('.')[2]}\b", code)] == []
