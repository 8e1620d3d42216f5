"""Options of ``styleroute train tiny``. This file imports no library of the training, so that help pages are fast."""

from dataclasses import dataclass, field
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS
from ..adapters.config import require_numbers, require_shares

STAGES = ("autoencoder", "vision", "kontext", "decoder")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Options of the autoencoder's training.

    Attributes:
        steps: number of steps of the whole schedule.
        batch: crops in a batch.
        crop: side of the square crops in pixels, a multiple of 8.
        matrix_rate: learning rate of convolutions (Muon).
        rate: learning rate of all other weights (AdamW).
        swapped: share of the crops whose colour channels are permuted.
        edge_weight: weight of the error of the edges, relative to the error of the colours.
        decoder_only: whether the encoder, and with it every cached latent, stays unchanged.
        start: folder of the weights of a small Kontext whose autoencoder the training starts from.

    Raises:
        TrainingError: a number is impossible.
    """

    steps: int = 2400
    batch: int = 16
    crop: int = 64
    matrix_rate: float = 3e-3
    rate: float = 1e-3
    swapped: float = 0.5
    edge_weight: float = 0.25
    decoder_only: bool = False
    start: Path | None = None

    def __post_init__(self) -> None:
        require_numbers(self, ("steps", "batch"), ("edge_weight",), ("matrix_rate", "rate"))
        require_shares(self, ("swapped",))
        if self.crop < 8 or self.crop % 8:
            raise TrainingError(
                f"crop is {self.crop} pixels, expected a multiple of 8 (one latent pixel): give another"
            )


@dataclass(frozen=True)
class KontextConfig:
    """Options of the training.

    Attributes:
        steps: number of steps of the whole schedule; 0 keeps the weights of `start`.
        batch: windows of 256 image tokens in a batch; larger windows and whole images make smaller batches.
        matrix_rate: learning rate of matrices (Muon).
        rate: learning rate of all other weights (AdamW).
        kinds: shares of the kinds of samples, in the order of `KINDS`.
        whole_every: every this many steps, the batch has whole images. Only these teach far distances.
        unreferenced_every: every this many steps, the batch has no reference and uses captions as prompts.
        caption_share: share of the samples of the kinds "keep" and "stylise" whose prompt is the caption. Experts are
            trained with such prompts.
        changed_weight: loss weight of the latent pixels that an edit changes.
        early_share: share of the object samples whose noise level is from the sampler's first half. These steps decide
            which pixels change, but the velocity loss gives them little weight.
        compile: whether torch.compile compiles the transformer.
        start: folder of the weights of a small Kontext to start from; the schedule starts anew.

    Raises:
        TrainingError: a number is impossible.
    """

    steps: int = 5000
    batch: int = 8
    matrix_rate: float = 3e-3
    rate: float = 1e-3
    kinds: tuple[float, float, float, float] = (0.05, 0.13, 0.52, 0.30)
    whole_every: int = 3
    unreferenced_every: int = 7
    caption_share: float = 0.4
    changed_weight: float = 5.0
    early_share: float = 0.5
    compile: bool = True
    start: Path | None = None

    def __post_init__(self) -> None:
        counts = ("batch", "whole_every", "unreferenced_every")
        require_numbers(self, counts, ("steps", "changed_weight"), ("matrix_rate", "rate"))
        require_shares(self, ("caption_share", "early_share"))
        if min(self.kinds) < 0 or not sum(self.kinds) > 0:
            raise TrainingError(f"kinds is {self.kinds}, expected shares of 0 or more, not all 0: give other shares")


@dataclass(frozen=True)
class VisionConfig:
    """Options of the vision tower's training; ``painted_share`` is the share of stylised images in a batch."""

    steps: int = 800
    batch: int = 64
    peak_rate: float = 1e-3
    painted_share: float = 0.8

    def __post_init__(self) -> None:
        require_numbers(self, ("steps", "batch"), (), ("peak_rate",))
        require_shares(self, ("painted_share",))


@dataclass(frozen=True)
class TinyConfig:
    """The options of ``styleroute train tiny``.

    Attributes:
        stages: the stages to run, in order.
        minutes: time limit of each stage in minutes; the same command continues from its checkpoint.
        scenes: number of scenes. A larger number adds scenes to those of an earlier start.
        object_share: share of the scenes with object edits only. The others have samples of every kind.
        large_photos: whether to add large photos and photographed objects, which are packages of Debian or Ubuntu.
        run: folder for the checkpoints and samples.
        models: folder for the weight files, which are written when all chosen stages are finished. By default a folder
            `models` in the run's folder, so that the shipped weights stay.

    Raises:
        TrainingError: a stage is unknown, or a number is impossible.
    """

    stages: tuple[str, ...] = STAGES
    minutes: float = 60.0
    scenes: int = 800
    object_share: float = 0.5
    large_photos: bool = True
    run: Path = RUNS / "tiny"
    models: Path | None = None
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    decoder: AutoencoderConfig = field(default_factory=lambda: AutoencoderConfig(steps=1000, decoder_only=True))
    kontext: KontextConfig = field(default_factory=KontextConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown:
            raise TrainingError(f"there is no stage {unknown[0]!r}: choose from {', '.join(STAGES)}")
        require_numbers(self, ("scenes",), (), ("minutes",))
        require_shares(self, ("object_share",))

    @property
    def weights_folder(self) -> Path:
        """Folder for the weight files."""
        return self.run / "models" if self.models is None else self.models
