"""RegionRoute Sampler: samples as KSampler does, and records where the model finds the prompt's phrases."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

import nodes as comfy_nodes

from ...attention import AttentionError
from ...attention.selection import ALL
from ..comfy_server import NodeText
from ..maps.capture import with_capture
from ..maps.live_preview import with_heat_preview
from ..maps.recorded_maps import KEEP, RecordedMaps
from ..maps.region_mask import has_region, region_contrasts, region_mask, weak_map_notice
from ..node_base import StyleRouteNode
from ..schema import AttentionMapsType, schema
from .apply_experts import with_experts
from .background_lock import require_region, with_background_lock
from .expert_changes import ExpertChanges
from .region_experts import AUTO, NO_EXPERT, state_of_expert
from .region_plan import RegionPlan, RegionSettings, plan_run
from .sampler_inputs import sampler_inputs

NO_MASK = (
    "RegionRoute Sampler has no MASK, because no map of the region was captured: denoise is 0, 'blocks' is none, or "
    "the captured steps have no map. Set denoise above 0 and choose blocks and steps, for instance all, or disconnect "
    "MASK."
)
CHANGES = ExpertChanges()
"""Shared by all samplers, because ComfyUI does not pass the node's id to `fingerprint_inputs`."""
LATENT_PIXELS = 8
"""Width and height of one latent of FLUX.1, in pixels."""


class RegionRouteSampler(StyleRouteNode):
    """Samples with KSampler's own function on a clone of the model with region experts and captured attention."""

    refusal = AttentionError
    checked_by_node = frozenset({"region_expert"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RegionRouteSampler",
            display_name="RegionRoute Sampler",
            description="Samples as KSampler does, with the region expert of the style in the prompt, and records "
            "where the model finds the object and the style in the image. It needs no drawn mask.",
            search_aliases=[
                "regional style",
                "region sampler",
                "ksampler",
                "artistic",
                "painting",
                "mask",
                "mask from text",
                "segment",
            ],
            hidden=[io.Hidden.unique_id],
            inputs=sampler_inputs(),
            outputs=[
                io.Latent.Output("LATENT", tooltip="The sampled latent, for VAE Decode."),
                AttentionMapsType.Output("ATTENTION_MAPS", tooltip="The captured maps, for Attention Map Preview."),
                io.Mask.Output(
                    "MASK",
                    tooltip="The region with soft edges. Its highest value grows with the contrast of the maps, and is "
                    "1 from a contrast of 0.5.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, region_expert: str | None = None, **_) -> str:
        """Changes with the expert files, so that ComfyUI reads a retrained expert again. None: a linked value."""
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
        **ksampler,
    ) -> io.NodeOutput:
        settings = RegionSettings(
            region_expert, expert_strength, region, background_lock, heat_preview, blocks, capture_steps, keep
        )
        plan = plan_run(model, positive, negative, latent_image["samples"], settings, ksampler)
        CHANGES.record(region_expert, plan.spans)
        maps, text = RecordedMaps(keep), NodeText(cls.hidden and cls.hidden.unique_id)
        _show_experts(plan, text)
        wrapped = _wrap(model, maps, plan, settings, text)
        latent = _sample(wrapped, positive, plan.negative, latent_image, ksampler)
        if plan.reference is not None and ksampler["denoise"] > 0:
            require_region(maps, region)
        return io.NodeOutput(latent, maps, _mask(maps, region, latent["samples"], text))


def _show_experts(plan: RegionPlan, text: NodeText) -> None:
    """Shows the files below the node, because "auto" takes the first file with the style's name; and the notes."""
    if plan.experts:
        text.add("Region expert: " + " and ".join(expert.path.name for expert in plan.experts))
    for note in plan.notes:
        text.warn(note)


def _wrap(
    model: ModelPatcher, maps: RecordedMaps, plan: RegionPlan, settings: RegionSettings, text: NodeText
) -> ModelPatcher:
    """A clone of the model with experts, capture, background lock and heat preview, each if it is chosen."""
    model = with_experts(model, plan.experts, settings.expert_strength, plan.regions, plan.region_blocks)
    if plan.blocks:
        model = with_capture(model, maps, plan.blocks, plan.steps, text)
    if plan.reference is not None:
        model = with_background_lock(model, maps, settings.region, plan.reference, settings.background_lock)
    if plan.blocks and settings.heat_preview:
        model = with_heat_preview(model, maps, settings.region)
    return model


def _sample(model: ModelPatcher, positive: list, negative: list, latent_image: dict, ksampler: dict) -> dict:
    """Calls KSampler's own function, so that every ComfyUI version samples as its own KSampler does."""
    # pyright finds our own folder `nodes` here; in ComfyUI the name is its module nodes.py.
    sample = comfy_nodes.common_ksampler  # pyright: ignore[reportAttributeAccessIssue]
    (latent,) = sample(model, positive=positive, negative=negative, latent=latent_image, **ksampler)
    return latent


def _mask(maps: RecordedMaps, region: str, samples: Tensor, text: NodeText) -> Tensor | ExecutionBlocker:
    """The MASK [B, H, W]; warns of weak maps. Without usable maps, a blocker: nodes behind it then show the reason."""
    if not has_region(maps, region):
        return ExecutionBlocker(maps.missing or NO_MASK)
    height, width = (side * LATENT_PIXELS for side in samples.shape[-2:])
    try:
        maps.require_finite()
    except AttentionError as error:  # the LATENT stays usable
        return ExecutionBlocker(str(error))
    if notice := weak_map_notice(region_contrasts(maps, region)):
        text.warn(notice)
    return region_mask(maps, region, (height, width))
