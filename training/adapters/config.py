"""Options that the trainers of all adapters share: optimisation, and where and how long a run goes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from tyro.conf import arg

from ...errors import TrainingError
from ..curves import Tracker
from ..loss_lines import LOG_EVERY

FREE = (
    "run", "data.folder", "data.root", "model.encoder", "model.start", "model.compile", "optimisation.checkpointing"
)  # fmt: skip
"""Parts and fields of a configuration that may change when a run is resumed.

Moving a folder does not make it another run: the digest of the data, not its path, identifies what a run learns from.
"""


@dataclass(frozen=True)
class Optimisation:
    """Optimiser, learning rate and length of a training.

    Attributes:
        rate: AdamW's learning rate.
        schedule: "constant", or "cosine" down to a twentieth of the rate.
        warmup: steps until the full rate.
        batch: examples per device and batch.
        accumulation: batches whose gradients are summed before a step.
        steps: number of training steps.
        seed: seed of the initial weights and of all batches.
        precision: "bf16" or "no" (float32).
        optimizer: "adamw", "adamw-8bit" (bitsandbytes, needs a GPU), or "auto": 8 bit if it is available.
        checkpointing: recompute activations in the backward pass, which takes less memory.
        ema: decay of the moving average of the weights, such as 0.999; 0 for none. Validation and expert files then
            have the averaged weights.

    Raises:
        TrainingError: a value is impossible.
    """

    rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    batch: int = 1
    accumulation: int = 1
    steps: int = 10_000
    seed: int = 0
    precision: Literal["bf16", "no"] = "bf16"
    optimizer: Literal["auto", "adamw", "adamw-8bit"] = "auto"
    checkpointing: bool = True
    ema: float = 0.0

    def __post_init__(self) -> None:
        require_numbers(self, ("batch", "accumulation", "steps"), ("warmup", "seed"), ("rate",))
        if not 0 <= self.ema < 1:
            raise TrainingError(f"ema is {self.ema}, expected a decay from 0 to less than 1: give 0.999, or 0 for none")


@dataclass(frozen=True)
class RunOptions:
    """Folders, duration and intervals of a run.

    Attributes:
        folder: folder of the run: configuration, checkpoint, curves and validation images.
        cache: folder of encoded images and texts, which are computed once.
        output: where the result is written; by default in the run's folder.
        minutes: time limit of this start; the same command resumes the run.
        save_every: steps between two checkpoints.
        validate_every: steps between two validations, with sheets of images and the held-out loss; 0 for none.
        validate_on: split of the sheet's examples, "test" or "train". Without a test split the sheet shows the
            training split.
        samples: file of JSON lines with your own images and prompts for a further sheet, such as
            `{"image": "cat.jpg", "style": "oil.png", "prompt": "a cat"}`. Region experts need no "style".
        export_every: steps between two expert files that can be tried while the training goes on; 0 for none.
        exports: folder of these files, such as ComfyUI's `models/style_experts`; by default `exports` in the run's
            folder.
        keep_exports: number of these files that are kept, the newest ones; 0 for all.
        log_every: steps between two printed lines with the losses; 0 for none.
        tracker: send the curves also to wandb or trackio, if the package is installed.

    Raises:
        TrainingError: a value is impossible.
    """

    folder: Annotated[Path, arg(name="run")]
    cache: Path
    output: Path | None = None
    minutes: float = math.inf
    save_every: int = 250
    validate_every: int = 500
    validate_on: Literal["test", "train"] = "test"
    samples: Path | None = None
    export_every: int = 0
    exports: Path | None = None
    keep_exports: int = 5
    log_every: int = LOG_EVERY
    tracker: Tracker = "none"

    def __post_init__(self) -> None:
        least_0 = ("validate_every", "export_every", "keep_exports", "log_every")
        require_numbers(self, ("save_every",), least_0, ("minutes",))


class TrainConfig(Protocol):
    """Parts that every adapter trainer's configuration has."""

    @property
    def optimisation(self) -> Optimisation: ...

    @property
    def run(self) -> RunOptions: ...


C = TypeVar("C", bound=TrainConfig)


def with_options(config: C, **values: Any) -> C:
    """A copy of a configuration with other values, named as on the command line; all are checked together.

    Args:
        config: a dataclass whose fields are parts, which are dataclasses, too.
        values: new values by field name; `data` and `run` set the folders of these parts.

    Raises:
        TrainingError: a value is impossible.
        TypeError: no part has a field of this name.
    """
    changes: dict[str, dict[str, Any]] = {}
    for option, value in values.items():
        part, name = _find_field(config, option)
        changes.setdefault(part, {})[name] = value
    return replace(config, **{part: replace(getattr(config, part), **named) for part, named in changes.items()})


def option_values(config: TrainConfig, names: Iterable[str]) -> dict[str, Any]:
    """Values of options by their names, as `with_options` takes them."""
    places = {name: _find_field(config, name) for name in names}
    return {name: getattr(getattr(config, part), field) for name, (part, field) in places.items()}


def free_fields(config: TrainConfig) -> tuple[str, ...]:
    """Fields that may change when a run is resumed.

    A cosine schedule depends on `steps`; only a constant rate may change it on resume.
    """
    return FREE if config.optimisation.schedule != "constant" else (*FREE, "optimisation.steps")


def require_numbers(part: object, least_1: Iterable[str], least_0: Iterable[str], positive: Iterable[str]) -> None:
    """Refuse impossible numbers, by the names of their fields.

    Raises:
        TrainingError: a field is below 1, below 0, or not above 0; or the rate is infinite.
    """
    for least, names in ((1, least_1), (0, least_0)):
        for name in names:
            if not getattr(part, name) >= least:  # NaN fails every comparison
                raise TrainingError(f"{name} is {getattr(part, name)}, expected {least} or more: give another value")
    if math.isinf(rate := getattr(part, "rate", 0.0)):
        raise TrainingError(f"rate is {rate}, expected a finite number: give another value")
    for name in positive:
        if not getattr(part, name) > 0:
            raise TrainingError(f"{name} is {getattr(part, name)}, expected a number above 0: give another value")


def require_shares(part: object, names: Iterable[str]) -> None:
    """Refuse shares outside 0 to 1, by the names of their fields.

    Raises:
        TrainingError: a field is below 0 or above 1.
    """
    for name in names:
        if not 0 <= getattr(part, name) <= 1:
            raise TrainingError(f"{name} is {getattr(part, name)}, expected a share: give 0 to 1")


def _find_field(config: Any, option: str) -> tuple[str, str]:
    """The part that has this option, and the name of its field there."""
    parts = [part.name for part in fields(config)]
    if option in parts:
        return option, "folder"
    for part in parts:
        if option in {field.name for field in fields(getattr(config, part))}:
            return part, option
    raise TypeError(f"{type(config).__name__} has no option {option!r}")
