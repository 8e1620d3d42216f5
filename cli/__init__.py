"""The `styleroute` command. Each subcommand is one file in this folder, imported only when it is used.

To add a command, write a file with one of these, and add a line to `COMMANDS`:
- a function `run`, typed and documented as tyro reads it: its arguments become the options;
- a dict `SUBCOMMANDS` of such functions or `PresetCommand`s;
- a function `main(arguments, prog)` that parses with argparse. Commands for artists use this form, because they run
  with ComfyUI's own Python, which has no tyro.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, TextIO

from ..errors import StyleRouteError
from ..interruption import Stopped, sigterm_stops
from ..plain_text import quoted
from .missing import missing_module

COMMANDS = {
    "demo": "stylise a photo, or one object in it, through a real ComfyUI",
    "train": "train a model: `train tiny`, `train encoder`, `train experts`, `train region`, ...",
    "data": "make a dataset: `data paintings`, `data triplets` of your own images, `data import`, ...",
    "evaluate": "score trained experts or the small Kontext on unseen images: `evaluate styles`, ...",
    "calibrate": "measure which blocks of a base model find the objects that a prompt names",
    "benchmark": "measure speed and memory against ComfyUI and other methods",
    "generate": "stylise an image with diffusers, without ComfyUI",
    "bake": "write a style, or a mix of styles, as a plain LoRA",
    "convert": "convert released files to one expert file, or a .pt file to .safetensors",
    "inspect": "show what a file contains, and report its faults",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error for users is printed without a traceback.

    Args:
        arguments: the command's name and options; None: those of this process.
    """
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    _accept_any_text(sys.stdout)
    try:
        with sigterm_stops():
            try:
                return _main(name, rest)
            finally:
                sys.stdout.flush()
    except Stopped as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe (such as `head`) has closed it. Python flushes once more at exit, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _accept_any_text(stream: TextIO) -> None:
    """Let a stream write escapes for characters that it cannot encode, as the error stream does already.

    File names may hold bytes that are no text, and a Windows console knows few characters.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _main(name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help"):
        print(_overview())
        return 0
    if name not in COMMANDS:
        print(f"There is no command {quoted(name)}.\n\n{_overview()}", file=sys.stderr)
        return 2
    try:
        _run(name, arguments)
    except ModuleNotFoundError as error:
        print(f"styleroute {name}: {missing_module(name, error)}", file=sys.stderr)
        return 1
    except StyleRouteError as error:
        print(f"styleroute {name}: {error}", file=sys.stderr)
        return 1
    return 0


def _run(name: str, arguments: list[str]) -> None:
    module, prog = import_module(f".{name}", __name__), f"styleroute {name}"
    if hasattr(module, "main"):
        module.main(arguments, prog)
        return
    import tyro

    if subcommands := getattr(module, "SUBCOMMANDS", None):
        subcommands = {name: _with_preset(command, arguments) for name, command in subcommands.items()}
        tyro.extras.subcommand_cli_from_dict(subcommands, prog=prog, args=arguments)
    else:
        tyro.cli(module.run, prog=prog, args=arguments)


def _with_preset(command: Any, arguments: list[str]) -> Any:
    """A function unchanged; for a `PresetCommand`, its function with the chosen preset's values as defaults."""
    return command.chosen(arguments) if hasattr(command, "chosen") else command


def _overview() -> str:
    lines = [f"  {name:<10} {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["styleroute <command> [--help]", "", *lines])
