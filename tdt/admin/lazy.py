"""Groups of commands whose subcommands lie in modules of their own, imported when they are asked for only."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Lazy(click.Group):
    """The commands added to it, and those of `modules`: each module holds a command under the same name
    (with `_` for `-`)."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **settings: Any):
        super().__init__(*args, **settings)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._modules])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(self._modules[cmd_name]), cmd_name.replace("-", "_"))
        return command
