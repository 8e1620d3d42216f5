"""`styleroute bake`: write a style, or a mix of styles, as a plain LoRA."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import StyleExpertError
from ..moe import EncoderConfig, Style, StyleExpert, load_style, save_style
from ..moe.baking import PRECISIONS, encode_style, reads_style_image, save_style_lora
from ..moe.config import TINY_SIGLIP
from ..moe.siglip import SiglipVision, load_siglip
from ..moe.style import mix_styles
from ..paths import PACK, TINY_MODELS
from ..storage.image_tensor import read_image_tensor

STYLE_SUFFIX = ".safetensors"
CLIP_VISION = PACK.parent.parent / "models" / "clip_vision"
"""ComfyUI's folder of vision models, if this pack is in `custom_nodes`."""


def main(arguments: Sequence[str], prog: str) -> None:
    """Write a style, or a mix of styles, as a plain LoRA. ComfyUI and diffusers load it without this pack.

    The LoRA equals that of the node Save Style as LoRA.
    """
    options = _parser(prog).parse_args(arguments)
    _require_targets(options)
    expert = StyleExpert.open(options.experts, encoder_path=options.encoder)
    style = _style(expert, options)
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


def _style(expert: StyleExpert, options: argparse.Namespace) -> Style | None:
    """The style of all files in --style; None for a plain LoRA.

    Raises:
        StyleExpertError: there are no styles for routed experts, or styles for a plain LoRA.
    """
    if expert.config.is_lora:
        if options.style:
            raise StyleExpertError(f"{expert.path.name} is a plain LoRA of one style. Leave out --style.")
        return None
    if not options.style:
        raise StyleExpertError(
            f"{expert.path.name} needs a style to choose among its {expert.config.num_experts} experts. Give one or "
            "more images or saved styles with --style."
        )
    if options.weight and len(options.weight) != len(options.style):
        raise StyleExpertError(
            f"There are {len(options.weight)} weights for {len(options.style)} styles. Give one --weight for each."
        )
    images = [path for path in options.style if path.suffix != STYLE_SUFFIX]
    pixels = {path: read_image_tensor(path) for path in images}
    saved = {path: load_style(path) for path in options.style if path not in pixels}
    vision = _vision(expert, options.vision) if images else None
    if vision is not None and not saved:
        return encode_style(expert, vision, [pixels[path] for path in images], options.weight)
    styles = []
    for path in options.style:
        if path in saved:
            styles.append(saved[path])
        else:
            assert vision is not None
            styles.append(replace(encode_style(expert, vision, [pixels[path]]), name=path.stem))
    return styles[0] if len(styles) == 1 else mix_styles(styles, options.weight or [1.0] * len(styles))


def _vision(expert: StyleExpert, given: Path | None) -> SiglipVision:
    """The given vision model, or the one in ComfyUI's folder; checked against the encoder.

    Raises:
        StyleExpertError: the experts have no encoder, or no vision model is found, or it does not fit.
    """
    if expert.encoder_config is None:
        raise StyleExpertError(f"{expert.path.name} holds no style encoder. Give its file with --encoder.")
    vision = load_siglip(given or _find_vision(expert.encoder_config))
    vision.require_fit(expert.encoder_config)
    return vision


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
