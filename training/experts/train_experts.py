"""`styleroute train experts`, from the triplets to the expert file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from accelerate import Accelerator
from torch import Tensor

from ...dataset.triplets import METADATA_FILE, Triplet, read_triplets
from ...moe import ExpertConfig, save_expert
from ...moe.lora import lora_state
from ...progress import console
from ...storage.disk_space import require_writable
from ..adapters.config import free_fields
from ..adapters.optimizer import with_settled_optimizer
from ..adapters.own_samples import fit_own_samples, read_own_samples
from ..adapters.running import base_dtype, one_fills_the_caches, start_accelerator
from ..adapters.training_run import TrainingRun
from ..adapters.validation import IMAGES, OWN, Validation, ValidationSheet, spread
from ..bases import Base, load_base, short_digest
from ..run_folder import RunFolder
from .conditions import StyleCondition, load_condition
from .config import ExpertsTrainConfig
from .examples import TripletExamples, make_examples
from .routed_linear import AdapterConfig, shared_pairs
from .start import StartExperts, all_steps, open_start
from .trainer import ExpertsTrainer
from .validation import TripletSheet


def train_experts(config: ExpertsTrainConfig) -> None:
    """Train the experts and write the expert file, with validation images on the way.

    Under `accelerate launch` every process calls this function; only the first process writes.

    Raises:
        DataError, TrainingError, StyleExpertError: dataset, models or options do not fit together; existing files stay.
    """
    config = with_settled_optimizer(config)
    run = RunFolder(config.run.folder, config, free_fields(config), config.run.tracker)
    read_own_samples(config.run.samples, with_style=True)
    accelerator = start_accelerator(config.optimisation.precision)
    if accelerator.is_main_process:
        require_writable(config.expert_file)
    condition = load_condition(config.model, str(accelerator.device))
    if condition is not None:
        config = replace(config, model=config.model.with_cond_dim(condition.width))
    dtype = base_dtype(config.optimisation.precision)
    base = load_base(config.model.base, str(accelerator.device), dtype, config.model.text_tokens)
    start = open_start(config.model, condition, base.name)
    examples, validation = _encode(config, base, condition, accelerator)
    identity = _identity(config.data.folder, examples, base, condition, start)
    trainer = ExpertsTrainer(config, run, accelerator, base.transformer(), examples, identity, start=start)
    ExpertsRun(trainer, base, validation, condition).train()


@dataclass
class ExpertsRun(TrainingRun):
    """The training of experts up to their file.

    Attributes:
        condition: the input of the routers; None for a plain LoRA.
    """

    recorded: ClassVar[tuple[str, ...]] = (
        "condition", "style_reference", "style_rows", "routing_dropout", "reference_dropout", "detail_share",
        "balance_weight", "guidance", "rate", "batch", "seed", "schedule", "warmup", "accumulation", "window",
        "whole_share", "grid",
    )  # fmt: skip

    trainer: ExpertsTrainer
    condition: StyleCondition | None

    @property
    def expert_file(self) -> Path:
        return self.trainer.config.expert_file

    def save_expert(self, path: Path, weights: dict[str, Tensor], summary: dict[str, Any]) -> None:
        adapter, base = self.trainer.config.model.adapter, self.base.name
        if self.condition is None:
            lora = lora_state(shared_pairs(self.trainer.routed), self.dtype)
            save_expert(path, lora, ExpertConfig.plain_lora(adapter.shared_rank, base), None, None, summary)
            return
        # The encoder is small, and the routers were trained on its exact embeddings: it is saved without rounding.
        encoder = self.condition.encoder
        state, sizes = (encoder.state_dict(), encoder.config) if encoder else (None, None)
        save_expert(path, weights, _expert_config(adapter, base), state, sizes, summary)

    def summary(self) -> dict[str, Any]:
        """The training summary. Digests identify base model and data: other ones cannot be compared."""
        trainer, examples = self.trainer, self.trainer.examples
        summary = super().summary() | {
            "triplets": len(examples.triplets),
            "base_digest": short_digest(self.base.identity),
            "data_digest": short_digest(examples.identity(trainer.config.data.folder)),
        }
        if self.condition is not None:
            summary["condition_digest"] = short_digest(self.condition.identity)
        if trainer.start is not None:
            summary["start_digest"] = short_digest(trainer.start.identity)
            summary["steps_before"] = all_steps(trainer.start.expert.training or {})
        return summary


def _encode(
    config: ExpertsTrainConfig, base: Base, condition: StyleCondition | None, accelerator: Accelerator
) -> tuple[TripletExamples, Validation]:
    """The training examples, and what the training shows and measures. Frees the models that encode them."""
    with one_fills_the_caches(accelerator):
        triplets = read_triplets(config.data.folder, "train")
        examples = make_examples(triplets, base, condition, config.run.cache / "train", config.model.texts)
        validation = _validation(config, base, condition, examples)
    base.free_encoders()
    if condition is not None:
        condition.free()
    return examples, validation


def _validation(
    config: ExpertsTrainConfig, base: Base, condition: StyleCondition | None, examples: TripletExamples
) -> Validation:
    """The sheets, and the held-out examples if there is a test split. Nothing without `validate_every`."""
    run, shown, held_out = config.run, examples, None
    if not run.validate_every:
        return Validation()
    if (config.data.folder / "test" / METADATA_FILE).is_file():
        tested, chosen = read_triplets(config.data.folder, "test"), {}
        for row in (*_one_of_each_style(tested), *(tested[index] for index in spread(len(tested)))):
            chosen.setdefault((row.content, row.reference, row.stylised), row)
        held_out = make_examples(list(chosen.values()), base, condition, run.cache / "held_out", config.model.texts)
        shown = examples if run.validate_on == "train" else held_out
    else:
        console.print(f"{config.data.folder} has no test split: validation shows training images, without a loss")
    shown = replace(shown, triplets=_one_of_each_style(shown.triplets))
    seed = config.optimisation.seed
    sheets: dict[str, ValidationSheet] = {"": TripletSheet(config.objective, base, shown, seed)}
    if own := _own_examples(config, base, condition, examples.size):
        sheets[OWN] = TripletSheet(config.objective, base, own, seed, has_target=False)
    return Validation(sheets, held_out)


def _own_examples(
    config: ExpertsTrainConfig, base: Base, condition: StyleCondition | None, size: tuple[int, int]
) -> TripletExamples | None:
    """The user's own samples, at the size of the training images: `size` is height and width in latent pixels."""
    samples = read_own_samples(config.run.samples, with_style=True)
    if not samples:
        return None
    cache = config.run.cache / OWN
    fitted = fit_own_samples(samples, (size[1] * 8, size[0] * 8), cache / "images")
    triplets = [
        Triplet(sample.image, sample.style or sample.image, sample.image, OWN, 0, str(number), sample.prompt)
        for number, sample in enumerate(fitted)
    ]
    return make_examples(triplets, base, condition, cache)


def _one_of_each_style(triplets: Sequence[Triplet]) -> list[Triplet]:
    """One triplet per style for a validation sheet, unseen styles first."""
    first: dict[str, Triplet] = {}
    for row in sorted(triplets, key=lambda row: row.seen_style):
        first.setdefault(row.style, row)
    return list(first.values())[:IMAGES]


def _identity(
    data: Path, examples: TripletExamples, base: Base, condition: StyleCondition | None, start: StartExperts | None
) -> str:
    """Digests of everything that the training reads."""
    identity = f"{base.identity} {condition and condition.identity} {examples.identity(data)}"
    return identity if start is None else f"{identity} {start.identity}"


def _expert_config(adapter: AdapterConfig, base: str) -> ExpertConfig:
    return ExpertConfig(
        kind="style-moe", num_experts=adapter.experts, rank=adapter.rank, shared_rank=adapter.shared_rank,
        top_k=adapter.top_k, alpha=adapter.alpha, cond_dim=adapter.cond_dim, routing=adapter.routing, base=base,
    )  # fmt: skip
