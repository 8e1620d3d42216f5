"""Options of the papers' evaluations: how images are generated, and the presets."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import arg

from ...errors import DataError
from ...paths import METRIC_MODELS
from ...training.regions.config import RegionModel
from .region_route import RegionProtocol
from .style_expert import StyleProtocol

KONTEXT = RegionModel.base
"""Hub name of FLUX.1 Kontext."""


@dataclass(frozen=True)
class DiffusersOptions:
    """Options of `--generate diffusers`. The defaults are those of the published inference.

    Attributes:
        base: FLUX.1 Kontext in diffusers' layout: a hub name or a folder; "tiny" is the small Kontext.
        strength: strength of the experts.
        steps: number of sampling steps.
        guidance: guidance scale.
        text_tokens: length of a prompt in T5 tokens; by default that of the experts' training.
        device: device of the weights, such as "cuda"; "offload" loads each part when it is used. By default a graphics
            card if there is one; under `accelerate launch` each process has its own.
        precision: number format of the weights; the small Kontext always has float32.

    Raises:
        DataError: a number is impossible.
    """

    base: str = KONTEXT
    strength: float = 1.0
    steps: int = 28
    guidance: float = 3.5
    text_tokens: int | None = None
    device: str | None = None
    precision: Literal["bfloat16", "float16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        for name in ("steps", "text_tokens"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number.")
        for name in ("strength", "guidance"):
            if not math.isfinite(getattr(self, name)):
                raise DataError(f"{name} is {getattr(self, name)}, expected a finite number: give another one.")


@dataclass(frozen=True)
class ComfyOptions:
    """Options of `--generate comfyui`.

    Attributes:
        workflow: a workflow in API form, from `Export (API)`. Tags in the titles of its nodes, such as [content] and
            [seed], say which inputs change (docs/metrics.md).
        server: address of a running ComfyUI. Under `accelerate launch` give one for each process.
    """

    workflow: Path | None = None
    server: tuple[str, ...] = ("http://127.0.0.1:8188",)


@dataclass(frozen=True)
class Generation:
    """How the images of the trials are generated before all folders are scored.

    Attributes:
        generate: "diffusers" generates with FluxKontextPipeline, "comfyui" in a running ComfyUI server, and "no" only
            scores existing images.
        name: name of the system in the table; by default that of the experts or of the workflow.
    """

    generate: Literal["no", "diffusers", "comfyui"] = "no"
    name: str | None = None


@dataclass(frozen=True)
class StyleExpertFiles:
    """What generates StyleExpert's images in diffusers.

    Attributes:
        experts: the expert file. Without it the base model gets the style image as a second reference.
        encoder: file of the style encoder, if the expert file holds none.
        vision: the SigLIP of the style encoder: a file, a folder or a hub name; by default the one that fits the base.
        size: side of square images in pixels; by default the trained size nearest to the content's proportions.

    Raises:
        DataError: the size is impossible.
    """

    experts: Path | None = None
    encoder: Path | None = None
    vision: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and (self.size < 16 or self.size % 16):
            raise DataError(f"The size is {self.size} pixels, expected a multiple of 16: give another --size.")


@dataclass(frozen=True)
class RegionExpertFolders:
    """What generates RegionRoute's images in diffusers.

    Attributes:
        experts: folders with a LoRA for each style, such as pixel-art.safetensors, as FOLDER or NAME=FOLDER; each is a
            row of the table. "none" is the base model alone.
        ablations: folder of the runs of `train region`, usually "runs": the full method and each ablation that was
            trained is a row of the table.
    """

    experts: tuple[str, ...] = ()
    ablations: Path | None = None


@dataclass(frozen=True)
class PaperStyles:
    """Options of `styleroute evaluate paper-styles`. On the command line the options of all parts have no prefix.

    Attributes:
        results: folders of images of other systems, as NAME=FOLDER; each is a row of the table.
        models: folder of the metric models.

    Raises:
        DataError: options contradict each other.
    """

    protocol: Annotated[StyleProtocol, arg(name="")]
    generation: Annotated[Generation, arg(name="")] = Generation()
    experts: Annotated[StyleExpertFiles, arg(name="")] = StyleExpertFiles()
    diffusers: Annotated[DiffusersOptions, arg(name="")] = DiffusersOptions()
    comfyui: Annotated[ComfyOptions, arg(name="")] = ComfyOptions()
    results: tuple[str, ...] = ()
    models: Path = METRIC_MODELS

    def __post_init__(self) -> None:
        _require_consistent(self.generation, {"--experts": self.experts.experts}, self.comfyui)


@dataclass(frozen=True)
class PaperRegions:
    """Options of `styleroute evaluate paper-regions`. On the command line the options of all parts have no prefix.

    Attributes:
        results: folders of images of other systems, as NAME=FOLDER; each is a row of the table.
        models: folder of the metric models.

    Raises:
        DataError: options contradict each other.
    """

    protocol: Annotated[RegionProtocol, arg(name="")]
    generation: Annotated[Generation, arg(name="")] = Generation()
    experts: Annotated[RegionExpertFolders, arg(name="")] = RegionExpertFolders()
    diffusers: Annotated[DiffusersOptions, arg(name="")] = DiffusersOptions()
    comfyui: Annotated[ComfyOptions, arg(name="")] = ComfyOptions()
    results: tuple[str, ...] = ()
    models: Path = METRIC_MODELS

    def __post_init__(self) -> None:
        files = {"--experts": self.experts.experts, "--ablations": self.experts.ablations}
        _require_consistent(self.generation, files, self.comfyui)


def _require_consistent(generation: Generation, files: dict[str, object], comfyui: ComfyOptions) -> None:
    """Refuse options of the way that does not generate.

    Raises:
        DataError: an option belongs to another `--generate`, or one is missing.
    """
    ways = {name: "diffusers" for name, value in files.items() if value} | (
        {"--workflow": "comfyui"} if comfyui.workflow else {}
    )
    for option, way in ways.items():
        if generation.generate != way:
            raise DataError(
                f"{option} is given, but --generate is {generation.generate!r}, expected {way!r}: give --generate "
                f"{way}, or leave out {option}."
            )
    if generation.generate == "comfyui" and not ways:
        raise DataError("--generate comfyui needs a workflow in API form: give --workflow.")
    if generation.generate == "comfyui" and not comfyui.server:
        raise DataError("--server names no address, expected one of a running ComfyUI: leave it out, or give one.")


def _style_preset(style_count: int | None, pairs: int, seeds: int) -> PaperStyles:
    """A preset whose folders must be given."""
    needed = tyro.MISSING
    return PaperStyles(StyleProtocol(needed, needed, needed, style_count, pairs, seeds))


STYLE_PRESETS = {"all-styles": _style_preset(None, 50, 2), "paper": _style_preset(21, 50, 2),
                 "quick": _style_preset(None, 4, 1)}  # fmt: skip
"""Sizes of StyleExpert's evaluation: all styles of the folder with 50 pairs and 2 seeds each; the paper's 2,100 images
of 21 styles; 4 images for each style."""
