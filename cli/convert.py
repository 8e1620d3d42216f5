"""`styleroute convert`: convert published files to the one safetensors file that the nodes read."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..moe.converting import convert
from ..moe.formats import sort_keys
from ..moe.header import read_header
from ..plain_text import plain


def main(arguments: Sequence[str], prog: str) -> None:
    """Convert a .pt file to .safetensors, or a release's experts and encoder to one file."""
    options = _parser(prog).parse_args(arguments)
    header = read_header(convert(options.source, options.target, encoder=options.encoder))
    folder = "style_encoders" if sort_keys(header.tensors).kind == "style-encoder" else "style_experts"
    size = f"{header.num_bytes / 2**20:,.1f} MiB"
    print(f"Wrote {plain(str(options.target))} ({size}). Put it into ComfyUI's models/{folder}.")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=main.__doc__)
    parser.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="the file to read: .safetensors, or .pt, from which only tensors are unpickled",
    )
    parser.add_argument("target", type=Path, metavar="TARGET", help="the .safetensors file to write")
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="FILE",
        help="the style encoder that belongs to the experts; the target then holds both",
    )
    return parser
