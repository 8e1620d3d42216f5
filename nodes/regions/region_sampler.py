"""RegionRoute Sampler: samples as KSampler does, and knows where the prompt's phrases are in the image."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import comfy.samplers
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

import nodes as comfy_nodes

from ...attention import AttentionError
from ...attention.selection import ALL, Block, parse_blocks, parse_steps
from ...moe import StyleExpert
from ..comfy_server import say_under_node
from ..maps.capture import block_counts, with_capture
from ..maps.live_preview import with_heat_preview
from ..maps.recorded_maps import KEEP, RecordedMaps
from ..maps.region_mask import has_region, region_mask
from ..maps.region_spans import names_of, require_spans, spans_of
from ..maps.sampler_run import require_no_rectangle, require_steps
from ..maps.shared_inputs import capture_inputs, region_input
from ..model_folders import expert_names
from ..model_patching import patch_keys
from ..schema import AttentionMapsType, schema
from .apply_experts import with_experts
from .background_lock import clean_context, locked, require_region
from .expert_changes import ExpertChanges
from .region_experts import AUTO, NO_EXPERT, region_experts, state_of_expert, supervised_blocks

NO_MAPS = (
    "RegionRoute Sampler has no MASK: no map of the region's phrases was captured, as denoise is 0 and nothing was "
    "sampled, 'blocks' is none, or none of the captured steps has them; set denoise above 0 and choose blocks and "
    "steps, for instance all, or leave MASK unconnected."
)
AUTO_BLOCKS = "auto (those that the region expert was trained to look with, where its file tells; else all), all"
CHANGES = ExpertChanges()
"""Of all samplers, as ComfyUI does not tell which of them asks."""
CFG_PP = "cfg_pp"
"""In the names of samplers that step by the negative's guess."""
LATENT_PIXELS = 8
"""Pixels a side of one latent of FLUX.1."""


class RegionRouteSampler(io.ComfyNode):
    """KSampler's own sampling, on a copy of the model that has the region expert and whose attention is recorded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RegionRouteSampler",
            display_name="RegionRoute Sampler",
            description="Samples as KSampler does, with the region expert of the style that the prompt names, and "
            "records where the model looks for the object and the style. No mask is drawn.",
            search_aliases=["regional style", "region sampler", "ksampler"],
            hidden=[io.Hidden.unique_id],
            inputs=[*_graph_inputs(), *_sampler_inputs(), *_region_inputs(), *capture_inputs(AUTO, AUTO_BLOCKS)],
            outputs=[
                io.Latent.Output("LATENT", tooltip="The sampled latent, for VAE Decode."),
                AttentionMapsType.Output("ATTENTION_MAPS", tooltip="What was captured, for Attention Map Preview."),
                io.Mask.Output(
                    "MASK", tooltip="The region with soft edges; its brightest value says how sure the maps are of it."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, region_expert: str | None = None, **_) -> str:
        """Changes when an expert's file changes, so that a retrained one is read anew; None: it comes by wire."""
        if region_expert in (AUTO, None):
            return str(CHANGES.count())
        return "" if region_expert == NO_EXPERT else state_of_expert(region_expert)

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        positive: list,
        latent_image: dict,
        region_expert: str,
        expert_strength: float,
        region: str,
        background_lock: float,
        heat_preview: bool,
        negative: list | None = None,
        blocks: str = AUTO,
        capture_steps: str = ALL,
        keep: str = KEEP[0],
        **sampler,
    ) -> io.NodeOutput:
        experts = region_experts(region_expert, spans_of(positive))
        for expert in experts:
            patch_keys(model, expert)  # refuses one of another model, before its blocks are looked for in this one
        if blocks.strip().lower() == AUTO:
            blocks = supervised_blocks(experts)
        chosen, steps = parse_blocks(blocks, block_counts(model)), parse_steps(capture_steps)
        negative = _require_negative(negative, positive, model, sampler)
        maps = RecordedMaps(keep)
        if chosen:
            names_of(require_spans(positive), region)
        if chosen and sampler["denoise"] > 0:
            # The capture would refuse them as well, but only when the model is loaded.
            require_no_rectangle(options for _, options in positive)
            require_steps(steps, sampler["steps"])
        context = _context(positive, latent_image["samples"], chosen, background_lock)
        CHANGES.note(region_expert, spans_of(positive))
        _name_experts(experts, cls.hidden and cls.hidden.unique_id)
        model = with_experts(model, experts, expert_strength)
        if chosen:
            model = with_capture(model, maps, chosen, steps)
        if context is not None:
            model = locked(model, maps, region, context, background_lock)
        if chosen and heat_preview:
            model = with_heat_preview(model, maps, region)
        # KSampler's own function: whatever this ComfyUI's KSampler does with these settings is done.
        (latent,) = comfy_nodes.common_ksampler(
            model, positive=positive, negative=negative, latent=latent_image, **sampler
        )
        if context is not None and sampler["denoise"] > 0:
            require_region(maps, region)
        return io.NodeOutput(latent, *_map_outputs(maps, region, latent["samples"]))


def _graph_inputs() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="A FLUX.1 Kontext model; it is not changed, a copy of it is."),
        io.Conditioning.Input(
            "positive", tooltip="The prompt, from Region Style Prompt, with the image by Reference Latent."
        ),
        io.Conditioning.Input(
            "negative", optional=True, tooltip="What to keep away from. Needed only where cfg is not 1."
        ),
        io.Latent.Input("latent_image", tooltip="The latent to start from, of the size of the result."),
    ]


def _sampler_inputs() -> list[io.Input]:
    return [
        io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip="As in KSampler."),
        io.Int.Input("steps", default=28, min=1, max=10000, tooltip="As in KSampler."),
        io.Float.Input(
            "cfg",
            default=1.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="As in KSampler: 1 for FLUX.1 Kontext, which is guided by Flux Guidance; others need a negative.",
        ),
        io.Combo.Input(
            "sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="euler", tooltip="As in KSampler."
        ),
        io.Combo.Input(
            "scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="simple", tooltip="As in KSampler."
        ),
        io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="As in KSampler."),
    ]


def _region_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "region_expert",
            options=[AUTO, NO_EXPERT, *expert_names()],
            default=AUTO,
            tooltip="The LoRA that paints the style: auto takes the file that is named as the prompt names the style "
            "(pixel-art.safetensors for 'pixel-art'), from models/style_experts or models/loras.",
        ),
        io.Float.Input(
            "expert_strength",
            default=1.0,
            min=-2.0,
            max=2.0,
            step=0.05,
            tooltip="How strongly the expert paints: 1 as trained, 0 not at all.",
        ),
        region_input(),
        io.Float.Input(
            "background_lock",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Holds what is outside the region to the reference: 0 not at all, 1 exactly.",
        ),
        io.Boolean.Input(
            "heat_preview", default=False, tooltip="Lays the heat map, as it grows, over the preview while sampling."
        ),
    ]


def _name_experts(experts: Sequence[StyleExpert], node_id: str | None) -> None:
    """Under the node, as `auto` takes the first file that has the style's name."""
    if experts and node_id is not None:
        say_under_node("Painted by " + " and ".join(expert.path.name for expert in experts), node_id)


def _require_negative(negative: list | None, positive: list, model: ModelPatcher, sampler: Mapping[str, Any]) -> list:
    """At cfg 1 the negative is not looked at, and anything stands for it; but some look at it all the same."""
    if negative is not None:
        return negative
    if not math.isclose(sampler["cfg"], 1.0):
        raise AttentionError(
            f"cfg is {sampler['cfg']:g}, which needs a negative prompt, but none is connected; connect one, or set cfg "
            "to 1, as FLUX.1 Kontext is meant to run."
        )
    by_itself = CFG_PP in sampler["sampler_name"]
    if by_itself or model.model_options.get("disable_cfg1_optimization"):
        who = f"The sampler {sampler['sampler_name']}" if by_itself else "A node before this one"
        raise AttentionError(
            f"{who} looks at the negative prompt even at cfg 1, but none is connected; connect one, for instance "
            "ConditioningZeroOut of the prompt, or do without it."
        )
    return positive


def _context(positive: list, latent: Tensor, chosen: Collection[Block], background_lock: float) -> Tensor | None:
    """The clean image for the background lock; None: it is off."""
    if background_lock == 0:
        return None
    if not chosen:
        raise AttentionError(
            "The background lock needs to know the region, but 'blocks' is none, so that no map is captured; "
            "choose blocks, for instance all, or set background_lock to 0."
        )
    return clean_context(positive, latent)


def _map_outputs(maps: RecordedMaps, region: str, samples: Tensor) -> tuple:
    """ATTENTION_MAPS and MASK; without maps, what uses them says why it cannot."""
    if not has_region(maps, region):
        return maps, ExecutionBlocker(NO_MAPS)
    size = tuple(side * LATENT_PIXELS for side in samples.shape[-2:])
    return maps, region_mask(maps, region, size)
