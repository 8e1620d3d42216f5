"""`styleroute convert`: published files into the one safetensors that the nodes read."""

from pathlib import Path
from typing import Annotated

import tyro

from ...moe.converting import convert


def run(
    source: Annotated[Path, tyro.conf.Positional],
    target: Annotated[Path, tyro.conf.Positional],
    encoder: Path | None = None,
) -> None:
    """Turn a .pt into a .safetensors, or a release's expert and encoder into one file.

    Args:
        source: the file to read: .safetensors, or .pt, of which only weights are unpickled.
        target: the .safetensors to write.
        encoder: the style encoder's file, to be put into the same target.
    """
    convert(source, target, encoder=encoder)
    print(f"Wrote {target} ({target.stat().st_size / 2**20:,.1f} MiB). Put it into ComfyUI's models/style_experts.")
