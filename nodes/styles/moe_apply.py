"""MoE Apply: applies a style to the whole image, inside a mask, or to a named object."""

from collections.abc import Mapping, Sequence

import comfy.model_management
import comfy.utils
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ...attention.selection import ALL
from ...moe import LowRank, StyleExpert
from ..branch.branched_model import branch_layers, branched, with_merged
from ..branch.object_blocks import least_attention, object_blocks
from ..branch.style_branch import MergedStyle, StyleBranch
from ..comfy_server import NodeText
from ..model_patching import PatchKey, left_out, patch_keys, patched
from ..node_base import StyleRouteNode
from ..schema import RoutingType, StyleExpertType, model_input, schema, strength_input, style_input
from .placement import Layers, Method, Placement
from .placement_inputs import placement_inputs
from .style_positions import require_same_rows, set_style_rows
from .style_reference import reads_style_image, warn_of_other_inputs
from .style_types import RoutingTable, Style, require_styles, routing_table, unused_style

STEPS = 3
"""Steps of the progress bar: route, read the experts, change the model."""


class MoEApply(StyleRouteNode):
    """Routes a style, collapses its experts to one low-rank pair per layer, and adds them to a clone of the model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_MoEApply",
            display_name="MoE Apply",
            description="Sends a style to the right experts and adds them to the model: for the whole image, inside a "
            "mask, or on an object that the prompt names. Several in a row add up, each with its own place and time.",
            search_aliases=[
                "apply style",
                "style transfer",
                "artistic",
                "painting",
                "ipadapter",
                "redux",
                "uso",
                "instantstyle",
                "mixture of experts",
            ],
            inputs=[
                model_input(),
                StyleExpertType.Input("style_expert", tooltip="The experts, from Load StyleExpert."),
                style_input(),
                strength_input("Strength of the style: 1 as trained, 0 no effect, below 0 away from the style."),
                *placement_inputs(),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                io.Model.Output("MODEL", tooltip="The model with this style."),
                RoutingType.Output("ROUTING", tooltip="Which experts were chosen, for Routing Preview."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        style_expert: StyleExpert,
        strength: float,
        style: Style | None = None,
        mask: Tensor | None = None,
        object: str = "",
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        blocks: str = ALL,
        layers: Layers = "all",
        method: Method = "auto",
        object_size: float = 0.0,
        grow: int = 0,
        feather: float = 0.5,
        hold_from_step: int = 0,
    ) -> io.NodeOutput:
        progress = comfy.utils.ProgressBar(STEPS)
        place = Placement(
            mask,
            object,
            start_percent,
            end_percent,
            blocks,
            layers,
            method,
            object_size,
            grow,
            feather,
            hold_from_step,
        )
        embedding = require_styles(style_expert, style)
        keys, text = patch_keys(model, style_expert), NodeText(cls.hidden and cls.hidden.unique_id)
        require_same_rows(model, style_expert)
        chosen = place.chosen_keys(model, keys)
        routing = routing_table(style_expert, embedding)
        styles = routing.single_styles
        at_run_time = place.needs_branch(model, chosen.values(), len(styles))
        for note in filter(None, (left_out(style_expert, keys), unused_style(style_expert, style))):
            text.warn(note)
        progress.update(1)
        if place.is_nowhere:
            text.warn("The mask is black, so the style changes nothing.")
        # Without a style image among the references, this is the base model itself: no weights to read.
        if strength == 0 or (place.is_nowhere and not reads_style_image(style_expert)):
            progress.update_absolute(STEPS)
            return io.NodeOutput(model.clone(), routing)
        pairs = [_pairs(style_expert, one, chosen) for one in styles]
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.update(1)
        if at_run_time:
            styled = _branched(model, style_expert, chosen, pairs, strength, place, text)
        else:
            styled = _merged(model, style_expert, chosen, pairs[0], strength)
        set_style_rows(styled, style_expert)
        warn_of_other_inputs(styled, style_expert, text, len(styles), at_run_time)
        progress.update(1)
        return io.NodeOutput(styled, routing)


def _pairs(expert: StyleExpert, routing: RoutingTable, chosen: Mapping[str, PatchKey]) -> dict[str, LowRank]:
    """The low-rank pairs of one style in the chosen layers. Uses the routing again; a plain LoRA has none."""
    if expert.config.is_lora:
        return {layer: pair for layer, pair in expert.collapse(None).items() if layer in chosen}
    return expert.collapse_routed({layer: routing.layers[layer] for layer in chosen})


def _branched(
    model: ModelPatcher,
    expert: StyleExpert,
    chosen: Mapping[str, PatchKey],
    pairs: Sequence[Mapping[str, LowRank]],
    strength: float,
    placement: Placement,
    text: NodeText,
) -> ModelPatcher:
    """A clone of the model with one style at run time, or one for each image of the batch."""
    branch = StyleBranch(
        name=expert.path.name,
        layers=tuple(branch_layers(model, chosen, of_style) for of_style in pairs),
        strength=strength,
        place=placement.place_in(least_attention(model)),
        schedule=placement.schedule,
        reads_style_image=reads_style_image(expert),
        text=text,
    )
    return branched(model, branch, object_blocks(model))


def _merged(
    model: ModelPatcher,
    expert: StyleExpert,
    chosen: Mapping[str, PatchKey],
    pairs: Mapping[str, LowRank],
    strength: float,
) -> ModelPatcher:
    """A clone of the model with the style in its weights."""
    style = MergedStyle(expert.path.name, chosen, pairs, strength, reads_style_image(expert))
    return with_merged(patched(model, chosen, pairs, strength), style, object_blocks(model))
