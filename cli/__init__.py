"""The `styleroute` command. Each subcommand is one file here, imported only when it is asked for.

To add a command: write a file with a function `run`, typed and documented as tyro reads it (its arguments are the
options), or with a dict `SUBCOMMANDS` of such functions or `PresetCommand`s, and give it a line in `COMMANDS`.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ..errors import StyleRouteError

COMMANDS = {
    "demo": "paint a photo in the style of an image, or one object of it, through a real ComfyUI",
    "train": "train a model: `train tiny`, `train encoder`, `train experts`, `train region`, ...",
    "data": "make a data set: `data paintings` or `data regions` of photos, `data triplets` of your own images",
    "evaluate": "score trained experts or the small Kontext on images that no training saw: `evaluate styles`, ...",
    "benchmark": "time the pack against bare ComfyUI",
    "convert": "make one expert file out of release files, or safetensors out of .pt",
    "inspect": "say what a file is, and what is wrong with it",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; refusals are printed as the one sentence that they are."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_overview())
        return 0
    if name not in COMMANDS:
        print(f"There is no command {name!r}.\n\n{_overview()}", file=sys.stderr)
        return 2
    try:
        _run(name, rest)
    except KeyboardInterrupt:
        return 130
    except StyleRouteError as error:
        print(f"styleroute {name}: {error}", file=sys.stderr)
        return 1
    return 0


def _run(name: str, arguments: list[str]) -> None:
    import tyro

    module = import_module(f".{name}", __name__)
    if subcommands := getattr(module, "SUBCOMMANDS", None):
        subcommands = {name: _with_preset(command, arguments) for name, command in subcommands.items()}
        tyro.extras.subcommand_cli_from_dict(subcommands, prog=f"styleroute {name}", args=arguments)
    else:
        tyro.cli(module.run, prog=f"styleroute {name}", args=arguments)


def _with_preset(command: Any, arguments: list[str]) -> Any:
    """A function as it is; of a `PresetCommand`, the function with the defaults of the preset that is asked for."""
    return command.chosen(arguments) if hasattr(command, "chosen") else command


def _overview() -> str:
    lines = [f"  {name:<10} {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["styleroute <command> [--help]", "", *lines])
