"""`styleroute inspect`: show what a file contains, and report its faults."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..moe.inspecting import inspect_file


def main(arguments: Sequence[str], prog: str) -> None:
    """Show a file's kind, sizes, layers and routing arithmetic, and report its faults; a fault gives exit code 1."""
    parser = argparse.ArgumentParser(prog=prog, description=main.__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="an expert, encoder or LoRA file")
    report = inspect_file(parser.parse_args(arguments).file)
    for line in report.lines():
        print(line)
    if report.problems:
        raise SystemExit(1)
