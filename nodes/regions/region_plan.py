"""Checks the settings of RegionRoute Sampler before any work, and prepares what the run uses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...attention import AttentionError
from ...attention.selection import ALL, Block, parse_blocks, parse_steps
from ...moe import StyleExpert
from ..branch.named_objects import StyleRegion
from ..maps.capture import block_counts
from ..maps.recorded_maps import KEEP
from ..maps.region_spans import RegionSpan, names_in_region, require_spans, spans_in, spans_of
from ..maps.sampler_run import require_no_rectangle, require_steps
from ..model_patching import left_out, patch_keys
from ..text_length import length_note
from .background_lock import lock_reference
from .region_experts import AUTO, region_experts, styles_by_file, supervised_blocks

ADAPTIVE = "dpm_adaptive"
"""The sampler that ignores the number of steps. It never calls the model if there is only one."""
FIRST_STEPS = 0.1
"""Share of the steps in which several experts act in the whole image: their training binds words to places."""
CFG_PP = "cfg_pp"
"""Part of the names of samplers that evaluate the negative prompt even at cfg 1."""


@dataclass(frozen=True)
class RegionSettings:
    """The node's inputs for experts, region and capture; KSampler's own settings are separate."""

    region_expert: str
    expert_strength: float
    region: str
    background_lock: float
    heat_preview: bool
    blocks: str = AUTO
    capture_steps: str = ALL
    keep: str = KEEP[0]


@dataclass(frozen=True)
class RegionPlan:
    """What one run uses.

    Attributes:
        spans: the spans of the prompt.
        experts: the region experts.
        blocks: the blocks to capture; empty for none.
        steps: the steps to capture; None for all.
        regions: the region of each expert, if there are several; empty for the whole image.
        region_blocks: the blocks whose attention finds these regions.
        negative: the negative prompt, or the positive one if it is not evaluated.
        reference: the clean latent [B or 1, C, H, W] for the background lock; None if the lock is off.
        notes: what the user should know about the experts, one sentence each.
    """

    spans: tuple[RegionSpan, ...]
    experts: list[StyleExpert]
    blocks: tuple[Block, ...]
    steps: frozenset[int] | None
    negative: list
    reference: Tensor | None
    notes: tuple[str, ...] = ()
    regions: tuple[StyleRegion, ...] = ()
    region_blocks: tuple[Block, ...] = ()


def plan_run(
    model: ModelPatcher,
    positive: list,
    negative: list | None,
    latent: Tensor,
    settings: RegionSettings,
    ksampler: Mapping[str, Any],
) -> RegionPlan:
    """Checks everything that is known before sampling.

    Args:
        model: the MODEL.
        positive: the prompt.
        negative: the negative prompt; None if none is connected.
        latent: the latents to start from, [B, C, H, W].
        settings: the settings of this node.
        ksampler: KSampler's settings, by input name.

    Raises:
        AttentionError: phrases, blocks, steps, region, prompts or the reference do not fit.
        StyleExpertError: the model is not Flux, or an expert does not fit it.
    """
    _require_model_calls(ksampler)
    spans = spans_of(positive)
    experts, notes = _fitting_experts(model, settings.region_expert, spans)
    lengths = [text.shape[1] for text, _ in positive]
    notes += tuple(filter(None, (length_note(expert, lengths) for expert in experts)))
    blocks, steps = _blocks(model, settings.blocks, experts), parse_steps(settings.capture_steps)
    negative = _require_negative(negative, positive, model, ksampler)
    if blocks:
        _require_capture(positive, spans, settings.region, steps, ksampler)
    reference = _lock_reference(positive, latent, blocks, settings.background_lock)
    regions = _regions(experts, spans, ksampler["steps"])
    region_blocks = _blocks(model, AUTO, experts) if regions else ()
    return RegionPlan(spans, experts, blocks, steps, negative, reference, notes, regions, region_blocks)


def _require_model_calls(ksampler: Mapping[str, Any]) -> None:
    """Refuses a sampler that would return the noise itself."""
    if ksampler["sampler_name"] == ADAPTIVE and ksampler["steps"] == 1 and ksampler["denoise"] > 0:
        raise AttentionError(
            f"The sampler {ADAPTIVE} never calls the model at 1 step, so the image would be only noise. Set at least "
            "2 steps, or choose another sampler."
        )


def _fitting_experts(
    model: ModelPatcher, choice: str, spans: tuple[RegionSpan, ...]
) -> tuple[list[StyleExpert], tuple[str, ...]]:
    """The experts, and a note for each one that has layers which the model does not have."""
    experts = region_experts(choice, spans)
    # `patch_keys` refuses an expert of another model before its blocks are searched in this model.
    notes = [left_out(expert, patch_keys(model, expert)) for expert in experts]
    return experts, tuple(filter(None, notes))


def _regions(experts: list[StyleExpert], spans: tuple[RegionSpan, ...], steps: int) -> tuple[StyleRegion, ...]:
    """The region of each of several experts, which a prompt with several styles gives. One expert needs none."""
    if len(experts) < 2:
        return ()
    first = max(1, round(FIRST_STEPS * steps))
    return tuple(StyleRegion(styles, from_step=first) for styles in styles_by_file(spans).values())


def _blocks(model: ModelPatcher, text: str, experts: list[StyleExpert]) -> tuple[Block, ...]:
    is_auto = text.strip().lower() == AUTO
    return parse_blocks(supervised_blocks(experts) if is_auto else text, block_counts(model))


def _require_capture(
    positive: list,
    spans: tuple[RegionSpan, ...],
    region: str,
    steps: frozenset[int] | None,
    ksampler: Mapping[str, Any],
) -> None:
    """Refuses a run that cannot capture the region. The capture itself checks this only after loading the model."""
    require_spans(spans)
    names_in_region(spans, region)
    if ksampler["denoise"] > 0:
        require_no_rectangle(options for _, options in positive if spans_in(options))
        require_steps(steps, ksampler["steps"])


def _require_negative(negative: list | None, positive: list, model: ModelPatcher, ksampler: Mapping[str, Any]) -> list:
    """The negative prompt. At cfg 1 most samplers do not evaluate it, and the positive prompt takes its place."""
    if negative is not None:
        return negative
    if not math.isclose(ksampler["cfg"], 1.0):
        raise AttentionError(
            f"cfg is {ksampler['cfg']:g}, which needs a negative prompt, but none is connected. Connect one, or set "
            "cfg to 1, as FLUX.1 Kontext expects."
        )
    is_cfg_pp = CFG_PP in ksampler["sampler_name"]
    if is_cfg_pp or model.model_options.get("disable_cfg1_optimization"):
        who = f"The sampler {ksampler['sampler_name']}" if is_cfg_pp else "A node before this one"
        raise AttentionError(
            f"{who} evaluates the negative prompt even at cfg 1, but none is connected. Connect one, for instance "
            "ConditioningZeroOut of the prompt, or remove the cause."
        )
    return positive


def _lock_reference(positive: list, latent: Tensor, blocks: tuple[Block, ...], background_lock: float) -> Tensor | None:
    """The clean latent for the background lock; None if the lock is off."""
    if background_lock == 0:
        return None
    if not blocks:
        raise AttentionError(
            "The background lock needs the region, but 'blocks' is none, so no map is captured. Choose blocks, for "
            "instance all, or set background_lock to 0."
        )
    return lock_reference(positive, latent)
