"""What is compared: five ways to train experts, each with its file."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import TrainingError
from ...moe import StyleExpert
from ...progress import console
from ...training.bases import load_base, short_digest
from ...training.experts.config import POOLED_CELLS
from ...training.experts.start import all_steps
from ..painting import BASE, folder_name
from .config import EvidenceConfig
from .graph import WORKFLOW

FULL, FULL_REFERENCE = "full", "full + style reference"
WIDE = "full + wide shared expert"
SINGLE_LORA, NO_ENCODER = "single LoRA", "MoE without style encoder"
POOLED_WIDTH = 16 * POOLED_CELLS**2
WHERE_TOLD = ("condition_digest", "schedule", "warmup")
"""What two trainings differ in only where both tell it: a LoRA reads no encoder, older files tell no schedule."""
SAME = ("steps", "data_digest", "batch", "accumulation", "rate", "guidance", "window", "whole_share", "start_digest",
        *WHERE_TOLD)  # fmt: skip
"""Of a training."""


Reads = Literal["style-encoder", "pooled-latents", "none"]
READS: tuple[Reads, ...] = get_args(Reads)


@dataclass(frozen=True)
class Method:
    """An expert file and how it learns of the style.

    Attributes:
        name: as it stands in the tables.
        file: the expert file.
        reads: what its routers read: the style encoder's embedding, the pooled latents, or nothing (one plain LoRA).
        style_reference: whether the style image's latents stand beside the content's, as a second reference.
        alone: whether its shared expert is tried alone, the routed ones taken away.
    """

    name: str
    file: Path
    reads: Reads
    style_reference: bool = False
    alone: bool = False

    @cached_property
    def training(self) -> dict[str, Any]:
        """What its file tells of its training."""
        return StyleExpert.open(self.file).training or {}

    @property
    def steps(self) -> int | None:
        """How long it was trained in all, with what it began from; None where its file does not tell."""
        return all_steps(self.training) or None

    @property
    def compared(self) -> dict[str, Any]:
        """What of its training must be the same to compare it; empty where the file does not tell."""
        told = {name: self.training[name] for name in SAME if name in self.training}
        if self.reads != "style-encoder":
            # Pooled latents have a digest too, but that they are another condition is what is measured.
            told.pop("condition_digest", None)
        return told

    @cached_property
    def key(self) -> str:
        """Name of the folder of its images: another one for other weights, of the experts or of the base."""
        return folder_name(self.name, f"{self.reads} {self.style_reference}", (self.file, WORKFLOW))


def all_methods(config: EvidenceConfig) -> list[Method]:
    """In the order of the table, whether their files are there or not."""
    return [
        Method(SINGLE_LORA, config.single_lora, "none", style_reference=True),
        Method(NO_ENCODER, config.no_encoder, "pooled-latents"),
        Method(FULL, config.full, "style-encoder"),
        Method(FULL_REFERENCE, config.style_reference, "style-encoder", style_reference=True),
        Method(WIDE, config.wide, "style-encoder", style_reference=True),
    ]


def present(methods: Iterable[Method]) -> list[Method]:
    """Those whose file is there and fits; each that is left out is printed.

    Raises:
        TrainingError: there is none, or a file is not what the method needs.
        StyleExpertError: a file is broken.
    """
    methods = list(methods)
    found = [method for method in methods if method.file.is_file()]
    for method in methods:
        if method not in found:
            console.print(f"Left out: {method.name}, as there is no {method.file}", soft_wrap=True)
    if not found:
        raise TrainingError("there is no expert file to try: train experts, or give --full FILE")
    for method in found:
        _require(method)
    return found


def _require(method: Method) -> None:
    expert = StyleExpert.open(method.file)
    needs, fits = {
        "style-encoder": ("routed experts with their style encoder", expert.encoder_config is not None),
        "pooled-latents": (f"experts routed by {POOLED_WIDTH} pooled latents", expert.config.cond_dim == POOLED_WIDTH),
        "none": ("one plain LoRA", True),
    }[method.reads]
    if not fits or (expert.config.is_lora) != (method.reads == "none"):
        raise TrainingError(f"{method.file} does not fit {method.name!r}, expected {needs}: give another file")
    if expert.config.base != BASE:
        raise TrainingError(
            f"{method.file} changes {expert.config.base!r}, expected {BASE!r}, the model that the evidence is painted "
            "with: give experts that were trained with --base tiny"
        )
    _require_same_references(method)
    told = method.training.get("base_digest")
    if told != (ours := short_digest(load_base("tiny").identity)):
        console.print(
            f"[yellow]{method.file} was trained on other weights of {BASE} ({told or 'it does not tell which'}) than "
            f"those that paint ({ours}): its figures say less of the method; train it anew[/]",
            soft_wrap=True,
        )


def _require_same_references(method: Method) -> None:
    """It is painted as it was trained: stock nodes give the style image without a shift of its rows."""
    trained = method.training.get("style_reference", method.style_reference)
    if trained != method.style_reference:
        seen = "with" if trained else "without"
        raise TrainingError(
            f"{method.file} was trained {seen} the style image beside the content, and {method.name!r} is not: give "
            "another file"
        )
    if method.style_reference and (rows := method.training.get("style_rows", 0)):
        raise TrainingError(
            f"{method.file} was trained with the style image {rows} rows below, where stock nodes cannot put it: "
            "train with --style-rows 0"
        )
