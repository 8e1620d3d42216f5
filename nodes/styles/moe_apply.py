"""MoE Apply: applies a style to the whole image."""

import comfy.model_management
import comfy.utils
from comfy_api.latest import io

from ...moe import StyleExpert
from ..comfy_server import NodeText
from ..model_patching import patch_keys, patched
from ..node_base import StyleRouteNode
from ..schema import RoutingType, StyleExpertType, model_input, schema, strength_input, style_input
from .style_reference import reads_style_image, warn_about_style_image
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
        keys = patch_keys(model, style_expert)
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
        if reads_style_image(style_expert):
            warn_about_style_image(styled, style_expert, NodeText(cls.hidden and cls.hidden.unique_id))
        progress.update(1)
        return io.NodeOutput(styled, routing)
