"""`styleroute train region`, from the manifest to one LoRA per style, or to one grounding LoRA."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import Accelerator
from torch import Tensor

from ...attention.phrases import style_stem
from ...dataset.region_manifest import MANIFEST_FILE, RegionExample, read_manifest
from ...errors import TrainingError
from ...moe import ExpertConfig, save_expert
from ...progress import console
from ...storage.disk_space import require_writable
from ..adapters.config import free_fields, with_options
from ..adapters.optimizer import with_settled_optimizer
from ..adapters.running import base_dtype, free_device, one_fills_the_caches, start_accelerator
from ..adapters.training_run import TrainingRun
from ..bases import Base, load_base
from ..run_folder import RunFolder
from .config import RegionData, RegionTrainConfig
from .examples import RegionExamples, make_examples
from .grounding import GROUND, describe_objects
from .spans import DescribedExample, describe, require_several_tokens
from .trainer import RegionTrainer
from .validation import RegionSheet

IGNORES_MASK = (
    "With these attention losses, which are those of RegionRoute's release, the mask cancels out of the gradient. The "
    "training teaches the style, but not where it belongs. The preset `paper` teaches the place."
)


@dataclass(frozen=True)
class Materials:
    """Inputs that the trainings of all styles share. The grounding LoRA counts as a style named `GROUND`.

    Attributes:
        accelerator: this process and its device.
        base: the base model.
        trained: training examples by style.
        tested: examples for the validation sheets by style; a style may lack them.
    """

    accelerator: Accelerator
    base: Base
    trained: Mapping[str, RegionExamples]
    tested: Mapping[str, RegionExamples]


def train_regions(config: RegionTrainConfig) -> tuple[Path, ...]:
    """Train each style in turn and write its LoRA, with validation images on the way; or the grounding LoRA.

    Under `accelerate launch` every process calls this function; only the first process writes.

    Returns:
        The LoRA files of the styles whose training was started.

    Raises:
        DataError, TrainingError, AttentionError: dataset, base model or options do not fit together; existing files
            stay.
    """
    ends = time.monotonic() + config.run.minutes * 60
    rows = read_manifest(config.data.folder, "train", config.data.root)
    styles = (GROUND,) if config.grounds else _chosen_styles(config.data, rows)
    configs = {style: with_settled_optimizer(config.of_style(style)) for style in styles}
    if config.objective.ignores_mask:
        console.print(f"[yellow]{IGNORES_MASK}[/]", soft_wrap=True)
    runs = {style: RunFolder(one.run.folder, one, free_fields(one)) for style, one in configs.items()}
    materials = _load_materials(config, rows, styles)
    written = []
    for style, one in configs.items():
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            console.print(f"The time limit came before {style}; run the same command again to continue")
            break
        one = with_options(one, minutes=left, output=config.run.output or config.run.folder)
        written.append(_train_style(style, one, runs[style], materials))
        free_device(materials.accelerator)
    return tuple(written)


@dataclass
class RegionRun(TrainingRun):
    """The training of one style up to its LoRA file.

    Attributes:
        style: the style.
    """

    recorded: ClassVar[tuple[str, ...]] = (
        "supervise", "blocks", "without", "reference_index", "guidance", "rate", "batch", "accumulation", "adapted",
        "seed",
    )  # fmt: skip

    trainer: RegionTrainer
    style: str

    @property
    def expert_file(self) -> Path:
        return self.trainer.config.expert_file(self.style)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float16 if self.trainer.config.run.half else torch.float32

    def save_expert(self, weights: dict[str, Tensor], summary: dict[str, Any]) -> None:
        sizes = ExpertConfig.plain_lora(self.trainer.config.model.rank, self.base.name)
        save_expert(self.expert_file, weights, sizes, None, None, summary)

    def summary(self) -> dict[str, Any]:
        """The training summary. `blocks` lists the supervised blocks; it is empty without an attention loss."""
        blocks = list(self.trainer.capture.blocks) if self.trainer.config.objective.supervised else []
        examples = len(self.trainer.examples.rows)
        subject = {"task": GROUND} if self.trainer.config.grounds else {"style": self.style}
        return super().summary() | subject | {"examples": examples, "blocks": blocks}


def _train_style(style: str, config: RegionTrainConfig, run: RunFolder, materials: Materials) -> Path:
    accelerator, base = materials.accelerator, materials.base
    examples, tested = materials.trained[style], materials.tested.get(style)
    identity = f"{base.identity} {examples.identity()}"
    trainer = RegionTrainer(config, run, accelerator, base.transformer(), examples, identity)
    sheet = tested and RegionSheet(config.objective, base, tested, config.optimisation.seed)
    RegionRun(trainer, base, sheet, style).train()
    return config.expert_file(style)


def _chosen_styles(data: RegionData, rows: Sequence[RegionExample]) -> tuple[str, ...]:
    """The styles to train.

    Raises:
        TrainingError: the manifest lacks a style.
    """
    available = tuple(dict.fromkeys(style for row in rows for style in row.styles))
    if not available:
        raise TrainingError(
            f"{data.folder} has objects, but no styles: give --task ground, or a dataset of `styleroute data regions`"
        )
    if unknown := [style for style in data.styles if style not in available]:
        raise TrainingError(f"{data.folder} has no style {unknown[0]!r}: give --styles of {', '.join(available)}")
    return data.styles or available


def _load_materials(config: RegionTrainConfig, rows: Sequence[RegionExample], styles: Sequence[str]) -> Materials:
    """Check all prompts and output files, load the base model, and encode the examples of all styles."""
    precision = config.optimisation.precision
    accelerator = start_accelerator(precision)
    if accelerator.is_main_process:
        for style in styles:
            require_writable(config.expert_file(style))
    base = load_base(config.model.base, str(accelerator.device), base_dtype(precision), config.model.text_tokens)
    # All prompts are checked before the first image is encoded.
    trained = _describe_styles(config, rows, styles, base)
    tested = _describe_tests(config, styles, base)
    with one_fills_the_caches(accelerator):
        encoded = (_encode(trained, base, config.run.cache, "train"), _encode(tested, base, config.run.cache, "test"))
    base.free_encoders()
    return Materials(accelerator, base, *encoded)


def _describe_styles(
    config: RegionTrainConfig, rows: Sequence[RegionExample], styles: Sequence[str], base: Base
) -> dict[str, list[DescribedExample]]:
    """The training examples of each style with their spans."""
    objective = config.objective
    if config.grounds:
        trained = {GROUND: describe_objects(rows, base, objective.each_token)}
    else:
        trained = {style: describe(rows, style, base, objective.each_token) for style in styles}
    if objective.supervised and objective.losses.slice == "span":
        for style, described in trained.items():
            require_several_tokens(described, style)
    return trained


def _describe_tests(config: RegionTrainConfig, styles: Sequence[str], base: Base) -> dict[str, list[DescribedExample]]:
    """The test examples of each style; empty without validation, or without a test split, as in the release."""
    folder = config.data.folder
    if not config.run.validate_every or not (folder / "test" / MANIFEST_FILE).is_file():
        return {}
    rows = read_manifest(folder, "test")
    if config.grounds:
        return {GROUND: describe_objects(rows, base, config.objective.each_token, all_prompts=False)}
    alone = {row.styles for row in rows}
    return {style: describe(rows, style, base, config.objective.each_token) for style in styles if (style,) in alone}


def _encode(
    described: Mapping[str, Sequence[DescribedExample]], base: Base, cache: Path, split: str
) -> dict[str, RegionExamples]:
    """Encoded examples by style. Each style has a cache of its own, so that other styles do not invalidate it."""
    return {style: make_examples(rows, base, cache / style_stem(style) / split) for style, rows in described.items()}
