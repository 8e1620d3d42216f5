"""Stylises photos with any pipeline of diffusers that takes an image and a prompt."""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ...errors import DataError
from ...storage.image_reader import read_image
from ..segmentation import ChosenObject, SegmentedPhoto
from .styles import GroundedStyle

STYLE_IMAGES = ("ip_adapter_image", "style_image", "reference_image")
"""Arguments of pipelines that take a style image."""
_OWN = ("image", "prompt", "generator", "height", "width", "_auto_resize", "max_area")
"""Arguments that the stylist itself gives."""


class DiffusersStylist:
    """Stylises by a loaded pipeline.

    Args:
        pipeline: a pipeline of diffusers.
        styles: the styles; LoRAs are loaded at once.
        seed: seed of every image.
        options: further arguments of the pipeline's call.
        name: the pipeline's name for the record.

    Raises:
        DataError: the pipeline takes no image or no style image, an argument is unknown, or a LoRA does not fit.
    """

    def __init__(
        self, pipeline: Any, styles: Sequence[GroundedStyle], seed: int, options: Mapping[str, Any], name: str = ""
    ) -> None:
        self._pipeline, self._seed, self._options = pipeline, seed, dict(options)
        self._known = inspect.signature(type(pipeline).__call__).parameters
        self._require_arguments(styles)
        self.settings: dict[str, Any] = {"pipeline": name, "class": type(pipeline).__name__, "seed": seed, **options}
        self._loras = {style.folder for style in styles if style.lora}
        for style in styles:
            if style.lora:
                self._load_lora(style)
        pipeline.set_progress_bar_config(disable=True)

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        self._use_lora(style)
        height, width = chosen.image.shape[:2]
        own = {
            "image": Image.fromarray(chosen.image),
            "prompt": style.prompt,
            "generator": torch.Generator().manual_seed(self._seed),
            "height": height,
            "width": width,
            # Kontext's pipeline would enlarge the photo to a size of its training, but not the result.
            "_auto_resize": False,
            "max_area": height * width,
        }
        if style.image is not None:
            own[self._style_argument()] = read_image(style.image)
        given = {name: value for name, value in own.items() if name in self._known}
        try:
            return self._pipeline(**given, **self._options).images[0]
        except RuntimeError as error:  # torch raises it for memory that does not suffice, and for shapes
            raise DataError(
                f"The pipeline could not stylise {photo.name} ({_first_line(error)}): give a smaller --size, "
                "or other --pipeline-options. Images that were kept are used again."
            ) from error

    def _require_arguments(self, styles: Sequence[GroundedStyle]) -> None:
        kind = type(self._pipeline).__name__
        for name in ("image", "prompt"):
            if name not in self._known:
                raise DataError(
                    f"The pipeline {kind} takes no {name}, expected one that edits an image by a prompt, such as "
                    "FluxKontextPipeline: give another --pipeline."
                )
        unknown = [name for name in self._options if name not in self._known or name in _OWN]
        if unknown:
            free = ", ".join(name for name in self._known if name not in ("self", *_OWN))
            raise DataError(f"The option {unknown[0]} cannot be given to {kind}, only {free}: correct it.")
        if any(style.image for style in styles) and self._style_argument() not in self._known:
            raise DataError(
                f"The pipeline {kind} takes no style image, but a style is given by one: describe the style in words, "
                "give a LoRA, or use --workflow."
            )

    def _style_argument(self) -> str:
        return next((name for name in STYLE_IMAGES if name in self._known), "style image")

    def _load_lora(self, style: GroundedStyle) -> None:
        path = Path(style.lora or "")
        if not path.is_file():
            raise DataError(f"There is no LoRA {path} for the style {style.name!r}: check the path.")
        try:
            self._pipeline.load_lora_weights(str(path), adapter_name=style.folder)
        except Exception as error:  # diffusers and PEFT raise many kinds of errors for a file that does not fit
            raise self._misfit(path, _first_line(error)) from error
        # diffusers passes over a file without a key of the pipeline.
        if not any(style.folder in names for names in self._pipeline.get_list_adapters().values()):
            raise self._misfit(path, "it changes no layer")

    def _misfit(self, path: Path, reason: str) -> DataError:
        return DataError(
            f"The LoRA {path} cannot be loaded into {type(self._pipeline).__name__} ({reason}): give a LoRA of this "
            "base model."
        )

    def _use_lora(self, style: GroundedStyle) -> None:
        if not self._loras:
            return
        if style.folder in self._loras:
            self._pipeline.enable_lora()
            self._pipeline.set_adapters(style.folder)
        else:
            self._pipeline.disable_lora()


def load_pipeline(name: str, device: str | None, precision: torch.dtype) -> Any:
    """Any pipeline of diffusers that edits images. One that only makes images from text becomes image-to-image.

    Args:
        name: hub name or folder in diffusers' layout.
        device: device of the weights; "offload" loads each part when it is used; None: a graphics card if there is one.
        precision: number format of the weights.

    Raises:
        DataError: diffusers cannot load it.
    """
    from diffusers import AutoPipelineForImage2Image, DiffusionPipeline

    try:
        pipeline = DiffusionPipeline.from_pretrained(name, torch_dtype=precision)
        if "image" not in inspect.signature(type(pipeline).__call__).parameters:
            pipeline = AutoPipelineForImage2Image.from_pipe(pipeline)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise DataError(
            f"The pipeline {name} could not be loaded ({_first_line(error)}): give the name or folder of a pipeline of "
            "diffusers."
        ) from error
    if device == "offload":
        pipeline.enable_model_cpu_offload()
        return pipeline
    return pipeline.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """The arguments of texts such as "strength=0.6"; a value that is no JSON is a text.

    Raises:
        DataError: a text has no equals sign.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise DataError(f"The option {text!r} has no value, expected NAME=VALUE such as strength=0.6: correct it.")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value
    return options


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
