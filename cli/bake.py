"""`styleroute bake`: write a style, or a mix of styles, as a plain LoRA."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import StyleExpertError
from ..moe import EncoderConfig, StyleExpert, save_style
from ..moe.baking import PRECISIONS, reads_style_image, save_style_lora
from ..moe.config import TINY_SIGLIP
from ..moe.siglip import SiglipVision, load_siglip
from ..paths import PACK, TINY_MODELS
from .style_files import STYLE_SUFFIX, read_style

CLIP_VISION = PACK.parent.parent / "models" / "clip_vision"
"""ComfyUI's folder of vision models, if this pack is in `custom_nodes`."""


def main(arguments: Sequence[str], prog: str) -> None:
    """Write a style, or a mix of styles, as a plain LoRA. ComfyUI and diffusers load it without this pack.

    The LoRA equals that of the node Save Style as LoRA.
    """
    options = _parser(prog).parse_args(arguments)
    _require_targets(options)
    expert = StyleExpert.open(options.experts, encoder_path=options.encoder)
    style = read_style(expert, options.style, options.weight, lambda: _load_vision(expert, options.vision))
    if style is not None and options.name:
        style = replace(style, name=options.name)
    save_style_lora(options.target, expert, style, options.strength, options.precision)
    print(f"Wrote {options.target} ({options.target.stat().st_size / 2**20:,.1f} MiB). Put it into models/loras.")
    if options.save_style is not None and style is not None:
        save_style(options.save_style, style)
        print(f"Wrote {options.save_style}. Put it into models/styles.")
    if reads_style_image(expert):
        print(
            "The LoRA needs the style image as a second reference, because its experts were trained so: add it with "
            "Style References, or `styleroute generate`."
        )


def _load_vision(expert: StyleExpert, given: Path | None) -> SiglipVision:
    """The given vision model, or the one in ComfyUI's folder."""
    assert expert.encoder_config is not None
    return load_siglip(given or _find_vision(expert.encoder_config))


def _find_vision(config: EncoderConfig) -> Path:
    name = config.vision_model
    path = TINY_MODELS / "siglip.safetensors" if name == TINY_SIGLIP else CLIP_VISION / name
    if not path.is_file():
        raise StyleExpertError(
            f"The style encoder reads images through {name}, which was not found in {path.parent}. Give its file, or "
            "a folder with model.safetensors and config.json, with --vision."
        )
    return path


def _require_targets(options: argparse.Namespace) -> None:
    """Check the names and folders of the files to write, before any work.

    Raises:
        StyleExpertError: a name or folder cannot be used, or the file is also an input.
    """
    inputs = {path.resolve() for path in (options.experts, options.encoder, *options.style) if path is not None}
    targets = [path for path in (options.target, options.save_style) if path is not None]
    for path in targets:
        if path.suffix != STYLE_SUFFIX:
            raise StyleExpertError(f"The target is named {path.name}, expected a name that ends in {STYLE_SUFFIX}.")
        if path.resolve() in inputs or targets.count(path) > 1:
            raise StyleExpertError(f"{path.name} is named twice, or is also an input file. Give another name.")
        if not path.parent.is_dir():
            raise StyleExpertError(f"The folder {path.parent} does not exist. Create it first.")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=main.__doc__)
    add = parser.add_argument
    add("experts", type=Path, metavar="EXPERTS", help="the expert file")
    add("target", type=Path, metavar="TARGET", help="the .safetensors file to write")
    add("--style", type=Path, nargs="+", default=[], metavar="FILE", help="style images, or files of Save Style")
    add("--weight", type=float, nargs="+", default=[], metavar="W", help="a weight for each style; negative: away")
    add("--vision", type=Path, metavar="PATH", help="the vision model, by default in ComfyUI's models/clip_vision")
    add("--encoder", type=Path, metavar="FILE", help="the style encoder, if the expert file holds none")
    add("--strength", type=float, default=1.0, help="strength of the style at LoRA scale 1 (default: 1)")
    add("--precision", choices=list(PRECISIONS), default="float16", help="number format (default: float16)")
    add("--name", default="", help="the name of the style, stored in the files")
    add("--save-style", type=Path, metavar="FILE", help="also write the style as a file for Load Style")
    return parser
