"""`tdt …` as an operator types it, on the database of a test: a configuration file, what the command prints."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from click.testing import CliRunner

from tdt.cli import main
from tests.postgres import TestDatabase


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell whose TDT_CONFIG names a configuration."""

    config: Path
    database: TestDatabase

    def run(self, *words: object, code: int = 0) -> str:
        """What `tdt WORDS` prints; its end must be `code`."""
        result = CliRunner().invoke(main, [str(word) for word in words], env={"TDT_CONFIG": str(self.config)})
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output

    def rows(self, *words: object) -> Any:
        """The JSON that it prints."""
        return json.loads(self.run(*words, "--json"))

    async def query(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds, as its owner sees it."""
        connection = await asyncpg.connect(self.database.owner_dsn)
        try:
            return [dict(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()


def open_terminal(database: TestDatabase, folder: Path, more: str = "") -> Terminal:
    """A terminal whose configuration has this database, a spool in `folder`, and these lines."""
    path = folder / "tdt.toml"
    path.write_text(
        f'[database]\ndsn = "{database.app_dsn}"\n[spool]\ndirectory = "{folder}/spool"\n{more}', encoding="utf-8"
    )
    (folder / "spool").mkdir(exist_ok=True)
    return Terminal(path, database)
