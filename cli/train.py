"""`styleroute train`: the trainers."""

from typing import Annotated

import tyro

from ..progress import console
from ..training.experts.config import PRESETS as EXPERT_PRESETS
from ..training.experts.config import ExpertsTrainConfig
from ..training.regions.config import PRESETS as REGION_PRESETS
from ..training.regions.config import RegionTrainConfig
from ..training.regions.variants import SMALL
from ..training.style_encoder.config import PRESETS, EncoderTrainConfig
from ..training.tiny.run import TinyConfig, TinyTraining
from .presets import PresetCommand


def tiny(config: Annotated[TinyConfig, tyro.conf.arg(name="")]) -> None:
    """Train the small Kontext that ships with the pack: autoencoder, vision tower, editor and painter."""
    TinyTraining(config).run()


def encoder(config: EncoderTrainConfig) -> None:
    """Train a style encoder on triplets (StyleExpert, Stage 1), and report how it finds styles that it never saw.

    The first run reads every image with the frozen SigLIP and keeps its states on disk. A run that was stopped goes
    on when the same command is given again. Without options the values are the paper's.
    """
    from ..evaluation.style_encoder.evaluate import evaluate_encoder
    from ..evaluation.style_encoder.report import IMAGE_FILE
    from ..training.style_encoder.pipeline import train_style_encoder

    report = train_style_encoder(config, evaluate_encoder)
    console.print(f"Wrote {config.encoder_file}", soft_wrap=True)
    if report is None:
        console.print("The test split holds no two styles that were not trained on: there is nothing to report on")
        return
    console.print(report.table())
    console.print(f"Images of each style, by t-SNE: {config.run / IMAGE_FILE}", soft_wrap=True)


def experts(config: ExpertsTrainConfig) -> None:
    """Train routed experts on triplets (StyleExpert, Stage 2), for FLUX.1 Kontext or for the small one.

    Latents, texts and style embeddings are made once and kept on disk. A run that was stopped goes on when the same
    command is given again. On several devices: `accelerate launch -m styleroute.cli train experts ...`.
    """
    from ..training.experts.training import train_experts

    train_experts(config)


def region(config: RegionTrainConfig) -> None:
    """Train region experts (RegionRoute): one LoRA a style, which paints the object that a prompt names and no more.

    Latents, masks and texts are made once and kept on disk. A run that was stopped goes on when the same command is
    given again. On several devices: `accelerate launch -m styleroute.cli train region ...`.
    """
    from ..training.regions.training import train_regions

    train_regions(config)


def region_variants(
    config: Annotated[RegionTrainConfig, tyro.conf.arg(name="")] = SMALL, only: tuple[str, ...] = ()
) -> None:
    """Train region experts in every way that `styleroute evaluate regions` compares, in turn, for the small Kontext.

    The full method, the same without Focus, Cover or both, with all choices of RegionRoute's release, and with each of
    them alone; options hold for all. A run that was stopped goes on when the same command is given again.

    Args:
        config: of the full method; each variant has a folder of its own in `run`.
        only: variants to train, by the names of their folders, such as full and without-cover.
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
