"""`styleroute train region`, from the manifest to one LoRA per style, or to one grounding LoRA."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from ..adapters.encoded import EncodedExamples, encode_images, encode_prompts
from ..adapters.optimizer import with_settled_optimizer
from ..adapters.own_samples import OwnSample, fit_own_samples, read_own_samples
from ..adapters.running import base_dtype, free_device, one_fills_the_caches, start_accelerator
from ..adapters.training_run import TrainingRun
from ..adapters.validation import OWN, Validation, ValidationSheet, spread
from ..bases import Base, load_base
from ..run_folder import RunFolder
from .config import RegionData, RegionTrainConfig
from .examples import REMEDY, RegionExamples, make_examples
from .grounding import GROUND, describe_objects
from .spans import DescribedExample, describe, require_several_tokens
from .trainer import RegionTrainer
from .validation import OwnRegionSheet, RegionSheet

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
        tested: examples of the test split by style; a style may lack them.
        own: the user's own samples for a validation sheet, encoded; None without any.
    """

    accelerator: Accelerator
    base: Base
    trained: Mapping[str, RegionExamples]
    tested: Mapping[str, RegionExamples]
    own: tuple[EncodedExamples, Sequence[OwnSample]] | None


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
    runs = {style: _run_folder(one) for style, one in configs.items()}
    read_own_samples(config.run.samples, with_style=False)
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

    def save_expert(self, path: Path, weights: dict[str, Tensor], summary: dict[str, Any]) -> None:
        sizes = ExpertConfig.plain_lora(self.trainer.config.model.rank, self.base.name)
        save_expert(path, weights, sizes, None, None, summary)

    def summary(self) -> dict[str, Any]:
        """The training summary. `blocks` lists the supervised blocks; it is empty without an attention loss."""
        blocks = list(self.trainer.capture.blocks) if self.trainer.config.objective.supervised else []
        examples = len(self.trainer.examples.rows)
        subject = {"task": GROUND} if self.trainer.config.grounds else {"style": self.style}
        return super().summary() | subject | {"examples": examples, "blocks": blocks}


def _run_folder(config: RegionTrainConfig) -> RunFolder:
    return RunFolder(config.run.folder, config, free_fields(config), config.run.tracker)


def _train_style(style: str, config: RegionTrainConfig, run: RunFolder, materials: Materials) -> Path:
    accelerator, base = materials.accelerator, materials.base
    examples = materials.trained[style]
    identity = f"{base.identity} {examples.identity()}"
    trainer = RegionTrainer(config, run, accelerator, base.transformer(), examples, identity)
    RegionRun(trainer, base, _validation(style, config, materials), style).train()
    return config.expert_file(style)


def _validation(style: str, config: RegionTrainConfig, materials: Materials) -> Validation:
    """The sheets of a style, and its held-out examples if it has test examples. Nothing without `validate_every`."""
    if not config.run.validate_every:
        return Validation()
    trained, tested = materials.trained[style], materials.tested.get(style)
    shown = trained if tested is None or config.run.validate_on == "train" else tested
    base, objective, seed = materials.base, config.objective, config.optimisation.seed
    sheets: dict[str, ValidationSheet] = {"": RegionSheet(objective, base, shown, seed)}
    if materials.own is not None:
        sheets[OWN] = OwnRegionSheet(objective, base, *materials.own, seed)
    return Validation(sheets, tested and _held_out(tested))


def _held_out(tested: RegionExamples) -> RegionExamples:
    chosen = spread(len(tested))
    return replace(
        tested, rows=[tested.rows[index] for index in chosen], spans=[tested.spans[index] for index in chosen]
    )


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
        encoded = _encode(trained, base, config, "train"), _encode(tested, base, config, "test")
        own = _encode_own(config, base, next(iter(encoded[0].values())).size)
    base.free_encoders()
    return Materials(accelerator, base, *encoded, own)


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
    described: Mapping[str, Sequence[DescribedExample]], base: Base, config: RegionTrainConfig, split: str
) -> dict[str, RegionExamples]:
    """Encoded examples by style. Each style has a cache of its own, so that other styles do not invalidate it."""
    cache, texts = config.run.cache, config.model.texts
    return {
        style: make_examples(rows, base, cache / style_stem(style) / split, texts) for style, rows in described.items()
    }


def _encode_own(
    config: RegionTrainConfig, base: Base, size: tuple[int, int]
) -> tuple[EncodedExamples, Sequence[OwnSample]] | None:
    """The user's own samples, at the size of the training images: `size` is height and width in latent pixels."""
    samples = read_own_samples(config.run.samples, with_style=False)
    if not samples or not config.run.validate_every:
        return None
    cache = config.run.cache / OWN
    fitted = fit_own_samples(samples, (size[1] * 8, size[0] * 8), cache / "images")
    images = encode_images([sample.image for sample in fitted], base, cache / "latents", REMEDY)
    prompts = encode_prompts(sorted({sample.prompt for sample in fitted}), base, cache / "text")
    return EncodedExamples(images, prompts), fitted
