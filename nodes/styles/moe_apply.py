"""MoE Apply: applies a style to the whole image."""

import comfy.model_management
import comfy.utils
from comfy_api.latest import io

from ...moe import StyleExpert
from ..comfy_server import NodeText
from ..model_patching import left_out, patch_keys, patched
from ..node_base import StyleRouteNode
from ..schema import RoutingType, StyleExpertType, model_input, schema, strength_input, style_input
from .style_positions import require_same_rows, set_style_rows
from .style_reference import warn_of_other_inputs
from .style_types import Style, require_style, routing_table

STEPS = 3
"""Steps of the progress bar: route, read the experts, patch the model."""


class MoEApply(StyleRouteNode):
    """Routes a style, collapses its experts to one low-rank pair per layer, and adds them to a clone of the model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_MoEApply",
            display_name="MoE Apply",
            description="Sends a style to the right experts and adds them to the model, for the whole image. "
            "It does not slow down sampling. Several in a row add up.",
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
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                io.Model.Output("MODEL", tooltip="The model with this style."),
                RoutingType.Output("ROUTING", tooltip="Which experts were chosen, for Routing Preview."),
            ],
        )

    @classmethod
    def execute(cls, model, style_expert: StyleExpert, strength: float, style: Style | None = None) -> io.NodeOutput:
        progress = comfy.utils.ProgressBar(STEPS)
        embedding = require_style(style_expert, style)
        keys, text = patch_keys(model, style_expert), NodeText(cls.hidden and cls.hidden.unique_id)
        require_same_rows(model, style_expert)
        if note := left_out(style_expert, keys):
            text.warn(note)
        routing = routing_table(style_expert, embedding)
        progress.update(1)
        if strength == 0:  # the base model itself: no weights to read
            progress.update_absolute(STEPS)
            return io.NodeOutput(model.clone(), routing)
        # The routing above is used again. A plain LoRA has no routing.
        deltas = style_expert.collapse(None) if embedding is None else style_expert.collapse_routed(routing.layers)
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.update(1)
        styled = patched(model, keys, deltas, strength)
        set_style_rows(styled, style_expert)
        warn_of_other_inputs(styled, style_expert, text)
        progress.update(1)
        return io.NodeOutput(styled, routing)
