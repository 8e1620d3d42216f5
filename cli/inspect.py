"""`styleroute inspect`: what a file is, and what is wrong with it."""

from pathlib import Path
from typing import Annotated

import tyro

from ..moe.inspecting import inspect_file


def run(file: Annotated[Path, tyro.conf.Positional]) -> None:
    """Say what a file is, its sizes, layers and arithmetic, and what is wrong with it; the exit code is 1 for a fault.

    Args:
        file: an expert, encoder or LoRA file.
    """
    report = inspect_file(file)
    for line in report.lines():
        print(line)
    if report.problems:
        raise SystemExit(1)
