"""`styleroute train`: commands of the trainers."""

from typing import Annotated

import tyro

from ..progress import console
from ..training.experts.config import PRESETS as EXPERT_PRESETS
from ..training.experts.config import ExpertsTrainConfig
from ..training.regions.config import PRESETS as REGION_PRESETS
from ..training.regions.config import RegionTrainConfig
from ..training.regions.variants import SMALL
from ..training.style_encoder.config import PRESETS, EncoderTrainConfig
from ..training.tiny.options import TinyConfig
from .presets import PresetCommand


def tiny(config: Annotated[TinyConfig, tyro.conf.arg(name="")]) -> None:
    """Train the small Kontext that ships with the pack: autoencoder, vision model and Kontext."""
    from ..training.tiny.run import TinyTraining

    TinyTraining(config).run()


def encoder(config: EncoderTrainConfig) -> None:
    """Train a style encoder on triplets (StyleExpert, Stage 1), and evaluate it on unseen styles.

    The first run encodes every image with the frozen SigLIP and keeps the states on disk. The same command resumes a
    stopped run. The defaults are the paper's values.
    """
    from ..evaluation.style_encoder.evaluate import evaluate_encoder
    from ..evaluation.style_encoder.report import IMAGE_FILE
    from ..training.style_encoder.pipeline import train_style_encoder

    report = train_style_encoder(config, evaluate_encoder)
    console.print(f"Wrote {config.encoder_file}", soft_wrap=True)
    if report is None:
        console.print("The test split has fewer than two unseen styles: no evaluation")
        return
    console.print(report.table())
    console.print(f"Images of each style, by t-SNE: {config.run / IMAGE_FILE}", soft_wrap=True)


def experts(config: ExpertsTrainConfig) -> None:
    """Train routed experts on triplets (StyleExpert, Stage 2), for FLUX.1 Kontext or for the small Kontext.

    Latents, texts and style embeddings are computed once and kept on disk. The same command resumes a stopped run. On
    several devices: `accelerate launch -m styleroute.cli train experts ...`.
    """
    from ..training.experts.train_experts import train_experts

    train_experts(config)


def region(config: RegionTrainConfig) -> None:
    """Train region experts (RegionRoute): one LoRA per style, which stylises only the object that the prompt names.

    Latents, masks and texts are computed once and kept on disk. The same command resumes a stopped run. On several
    devices: `accelerate launch -m styleroute.cli train region ...`.
    """
    from ..training.regions.train_regions import train_regions

    train_regions(config)


def region_variants(
    config: Annotated[RegionTrainConfig, tyro.conf.arg(name="")] = SMALL, only: tuple[str, ...] = ()
) -> None:
    """Train all variants of region experts that `styleroute evaluate regions` compares, for the small Kontext.

    The variants are the full method, without Focus, without Cover, without both, with all choices of RegionRoute's
    release, and with each choice alone. Options apply to all variants. The same command resumes a stopped run.

    Args:
        config: options of the full method; each variant has a folder of its own in `run`.
        only: folder names of the variants to train, such as full and without-cover; by default all.
    """
    from ..training.regions.variants import train_variants

    train_variants(config, only)


SUBCOMMANDS = {
    "tiny": tiny,
    "encoder": PresetCommand(encoder, {name: EncoderTrainConfig.preset(name) for name in PRESETS}),
    "experts": PresetCommand(experts, EXPERT_PRESETS),
    "region": PresetCommand(region, REGION_PRESETS),
    "region-variants": region_variants,
}
