"""`styleroute convert`: published files into the one safetensors that the nodes read."""

from pathlib import Path
from typing import Annotated

import tyro

from ..moe.converting import convert
from ..moe.formats import sort_keys
from ..moe.header import read_header


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
    header = read_header(convert(source, target, encoder=encoder))
    folder = "style_encoders" if sort_keys(header.tensors).kind == "style-encoder" else "style_experts"
    print(f"Wrote {target} ({header.num_bytes / 2**20:,.1f} MiB). Put it into ComfyUI's models/{folder}.")
