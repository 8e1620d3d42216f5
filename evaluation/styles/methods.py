"""The compared methods: five ways to train experts for styles, each with its expert file."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from ...errors import TrainingError
from ...moe import StyleExpert
from ...progress import console
from ...training.bases import load_base, short_digest
from ...training.experts.config import POOLED_CELLS, Condition
from ...training.experts.start import all_steps
from ..generated_images import BASE_MODEL, images_folder
from .config import StyleEvaluationConfig
from .sampling import NEUTRAL, PLAIN, Sampling
from .workflow import WORKFLOW

FULL, FULL_REFERENCE = "full", "full + style reference"
WIDE = "full + wide shared expert"
GUIDED = f"{WIDE}, content guidance"
"""The same experts with the content dial of Style Guider, as in the example workflow."""
SINGLE_LORA, NO_ENCODER = "single LoRA", "MoE without style encoder"
POOLED_WIDTH = 16 * POOLED_CELLS**2
"""Values in the pooled latents: 16 channels per cell."""
OPTIONAL_SETTINGS = ("condition_digest", "schedule", "warmup", "detail_share", "grid")
"""Settings compared only if both files record them: a LoRA has no encoder, and older files record no schedule."""
COMPARED_SETTINGS = ("steps", "data_digest", "batch", "accumulation", "rate", "guidance", "window", "whole_share",
                     "start_digest", *OPTIONAL_SETTINGS)  # fmt: skip
"""Training settings that two compared methods must share."""

CONDITIONS: tuple[Condition, ...] = get_args(Condition)


@dataclass(frozen=True)
class StyleMethod:
    """An expert file and how it uses the style image.

    Attributes:
        name: the method's name in tables.
        file: the expert file.
        condition: input of the routers: the style encoder's embedding, pooled latents, or none (one plain LoRA).
        style_reference: whether the style image is a second reference beside the content image.
        shared_expert_only: whether the routed experts are switched off.
        sampling: steps and content dial.
    """

    name: str
    file: Path
    condition: Condition
    style_reference: bool = False
    shared_expert_only: bool = False
    sampling: Sampling = PLAIN

    @cached_property
    def training(self) -> dict[str, Any]:
        """The training summary in the expert file; empty if the file has none."""
        return StyleExpert.open(self.file).training or {}

    @property
    def steps(self) -> int | None:
        """Training steps, including those of the file that the training started from; None if not recorded."""
        return all_steps(self.training) or None

    @property
    def compared_settings(self) -> dict[str, Any]:
        """The recorded training settings that a compared method must share."""
        settings = {name: self.training[name] for name in COMPARED_SETTINGS if name in self.training}
        if self.condition != "style-encoder":
            # Pooled latents have a digest too, but the comparison is about this very difference.
            settings.pop("condition_digest", None)
        return settings

    @cached_property
    def images_folder(self) -> str:
        """The folder of the method's images; other weights of the experts or the base model have another one."""
        settings = f"{self.condition} {self.style_reference} {self.sampling}"
        return images_folder(self.name, settings, (self.file, WORKFLOW))


def all_methods(config: StyleEvaluationConfig) -> list[StyleMethod]:
    """All methods in the order of the table, with or without an existing file."""
    plain = Sampling(config.steps)
    methods = [
        StyleMethod(SINGLE_LORA, config.single_lora, "none", style_reference=True, sampling=plain),
        StyleMethod(NO_ENCODER, config.no_encoder, "pooled-latents", sampling=plain),
        StyleMethod(FULL, config.full, "style-encoder", sampling=plain),
        StyleMethod(FULL_REFERENCE, config.style_reference, "style-encoder", style_reference=True, sampling=plain),
        StyleMethod(WIDE, config.wide, "style-encoder", style_reference=True, sampling=plain),
    ]
    if config.content == NEUTRAL:
        return methods
    guided = Sampling(config.guided_steps, config.content)
    return [*methods, replace(methods[-1], name=GUIDED, sampling=guided)]


def available_methods(methods: Iterable[StyleMethod]) -> list[StyleMethod]:
    """The methods with an existing file, after a check that it fits; prints the others.

    Raises:
        TrainingError: no file exists, or a file does not fit its method.
        StyleExpertError: a file is broken.
    """
    methods = list(methods)
    available = [method for method in methods if method.file.is_file()]
    for method in methods:
        if method not in available:
            console.print(f"Left out: {method.name}, because {method.file} does not exist", soft_wrap=True)
    if not available:
        raise TrainingError("no expert file exists: train experts, or give --full FILE")
    for method in available:
        _check_kind(method)
        _check_references(method)
        _warn_of_other_base_weights(method)
    return available


def _check_kind(method: StyleMethod) -> None:
    expert = StyleExpert.open(method.file)
    expected, fits = {
        "style-encoder": ("routed experts with their style encoder", expert.encoder_config is not None),
        "pooled-latents": (f"experts routed by {POOLED_WIDTH} pooled latents", expert.config.cond_dim == POOLED_WIDTH),
        "none": ("one plain LoRA", True),
    }[method.condition]
    if not fits or expert.config.is_lora != (method.condition == "none"):
        raise TrainingError(f"{method.file} does not fit {method.name!r}, expected {expected}: give another file")
    if expert.config.base != BASE_MODEL:
        raise TrainingError(
            f"{method.file} is for the base model {expert.config.base!r}, expected {BASE_MODEL!r}, which generates the "
            "images: give experts that were trained with --base tiny"
        )


def _check_references(method: StyleMethod) -> None:
    """The method must get the style image as in its training. MoE Apply gives it the position of the training."""
    trained = method.training.get("style_reference", method.style_reference)
    if trained != method.style_reference:
        found, expected = ("with", "without") if trained else ("without", "with")
        raise TrainingError(
            f"{method.file} was trained {found} the style image beside the content, expected {expected} it for "
            f"{method.name!r}: give another file"
        )


def _warn_of_other_base_weights(method: StyleMethod) -> None:
    trained, present = method.training.get("base_digest"), short_digest(load_base("tiny").identity)
    if trained != present:
        console.print(
            f"[yellow]{method.file} was trained on other weights of {BASE_MODEL} ({trained or 'not recorded'}) than "
            f"those that generate the images ({present}). Its scores say less about the method; train it again[/]",
            soft_wrap=True,
        )
