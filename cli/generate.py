"""`styleroute generate`: stylise an image with diffusers' FluxKontextPipeline, without ComfyUI."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from PIL import Image

from ..errors import StyleExpertError
from ..generation.kontext import PRECISIONS, TINY, load_kontext, stylise_with_seed
from ..generation.style_change import fitting_layers, set_style
from ..generation.vision import SIGLIP, load_vision
from ..moe import StyleExpert
from ..moe.baking import reads_style_image
from ..moe.style import require_style
from ..progress import console
from ..storage.image_reader import read_image
from ..storage.whole_file import whole_file
from .style_files import is_image, read_style

KONTEXT = "black-forest-labs/FLUX.1-Kontext-dev"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def run(
    content: Annotated[Path, tyro.conf.Positional],
    style: Annotated[tuple[Path, ...], tyro.conf.Positional],
    experts: Path,
    base: str = KONTEXT,
    vision: str | None = None,
    encoder: Path | None = None,
    weight: tuple[float, ...] = (),
    reference: tuple[Path, ...] = (),
    prompt: str = "an image",
    strength: float = 1.0,
    steps: int = 28,
    guidance: float = 3.5,
    seed: int = 0,
    device: str | None = None,
    precision: Literal["bfloat16", "float16", "float32"] = "bfloat16",
    output: Path = Path("output") / "generated.png",
) -> None:
    """Stylise an image through diffusers' FluxKontextPipeline, without ComfyUI.

    The result has the trained size nearest to the content's proportions. The same seed gives the same noise as in
    ComfyUI.

    Args:
        content: the image to stylise.
        style: style images, or files of Save Style; several are mixed. A plain LoRA needs none.
        experts: the expert file.
        base: FLUX.1 Kontext in diffusers' layout: a hub name or a folder; "tiny" is the small Kontext.
        vision: the SigLIP of the style encoder: a file, a folder or a hub name; by default the one that fits the base.
        encoder: the style encoder, if the expert file holds none.
        weight: a weight for each style; a negative weight moves away from it. By default the plain mean.
        reference: style images to show to the model, if the experts were trained so and the styles are saved files.
        prompt: description of the content.
        strength: strength of the style.
        steps: number of sampling steps.
        guidance: guidance scale.
        seed: random seed.
        device: device of the weights, such as "cuda" or "cpu"; "offload" loads each part when it is used. By default a
            graphics card if there is one.
        precision: number format of the weights; the small Kontext always has float32.
        output: the image to write, .png, .jpg or .webp.
    """
    _require_settings(output, steps, strength, guidance)
    photo = read_image(content)
    expert = StyleExpert.open(experts, encoder_path=encoder)
    # The base's own vision model: both were trained together.
    tower = vision or (TINY if base == TINY else SIGLIP)
    found = read_style(expert, style, weight, lambda: load_vision(tower))
    embedding = require_style(expert, found)
    images = _references(expert, style, weight, reference)
    with console.status("Loading the pipeline"):
        pipeline = load_kontext(base, device or _default_device(), PRECISIONS[precision])
        _apply(pipeline, expert, embedding, strength)
    options = {"prompt": prompt, "num_inference_steps": steps, "guidance_scale": guidance}
    result = stylise_with_seed(pipeline, photo, images, seed, style_rows=expert.style_rows or 0, **options)
    with whole_file(output) as partial:
        result.save(partial, format=Image.registered_extensions()[output.suffix.lower()])
    console.print(f"Wrote {output.resolve()}", soft_wrap=True)


def _apply(pipeline: Any, expert: StyleExpert, embedding: torch.Tensor | None, strength: float) -> None:
    """Merges the style into the transformer's weights, so that a step costs no more than before."""
    layers = fitting_layers(pipeline, expert)
    pairs = expert.collapse(embedding, strength)
    set_style(pipeline, {layer: pairs[layer] for layer in layers})
    pipeline.transformer.fuse_lora()


def _references(
    expert: StyleExpert, styles: Sequence[Path], weights: Sequence[float], given: Sequence[Path]
) -> list[Image.Image]:
    """The style images that the model sees: those in `--reference`, or all styles that are images and not avoided."""
    shares = weights or [1.0] * len(styles)
    wanted = [path for path, share in zip(styles, shares, strict=True) if is_image(path) and share > 0]
    if not given and not reads_style_image(expert):
        return []
    if not given and not wanted:
        console.print(
            f"{expert.path.name} was trained with the style image as a second reference, but only saved styles are "
            "given. Add the style image with --reference: otherwise the style is weaker."
        )
    return [read_image(path) for path in given or wanted]


def _require_settings(output: Path, steps: int, strength: float, guidance: float) -> None:
    """Check the settings before anything is loaded."""
    if output.suffix.lower() not in IMAGE_SUFFIXES:
        raise StyleExpertError(f"The output is named {output.name}, expected a name that ends in .png, .jpg or .webp.")
    if steps < 1:
        raise StyleExpertError(f"steps is {steps}, expected 1 or more.")
    for name, value in (("strength", strength), ("guidance", guidance)):
        if not abs(value) < 1e6:
            raise StyleExpertError(f"{name} is {value}, expected a finite number.")


def _default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
