"""MoE Apply: paints the whole image in a style."""

import comfy.model_management
import comfy.utils
from comfy_api.latest import io

from ...moe import StyleExpert
from ..model_patching import patch_keys, patched
from ..schema import RoutingType, StyleExpertType, schema, strength_input, style_input
from .style_reference import reads_style_image, warn_without_style_image
from .style_types import Style, require_style, routing_table

STEPS = 3


class MoEApply(io.ComfyNode):
    """Routes a style, collapses its experts to one low-rank pair a layer, and adds them to a clone of the model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_MoEApply",
            display_name="MoE Apply",
            description="Sends a style to the right experts and adds them to the model, for the whole image. "
            "It costs no time in sampling. Several in a row add up.",
            search_aliases=["apply style", "style transfer", "mixture of experts"],
            inputs=[
                io.Model.Input("model", tooltip="A FLUX.1 Kontext model; it is not changed, a copy of it is."),
                StyleExpertType.Input("style_expert", tooltip="The experts, from Load StyleExpert."),
                style_input(),
                strength_input("How strongly the style is painted: 1 as trained, 0 not at all, below 0 away from it."),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                io.Model.Output("MODEL", tooltip="The model that paints in this style."),
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
        if strength == 0:  # exactly the base model, and nothing to read
            progress.update_absolute(STEPS)
            return io.NodeOutput(model.clone(), routing)
        # Routed already, unless it is a plain LoRA, which has nothing to route.
        deltas = style_expert.collapse(None) if embedding is None else style_expert.collapse_routed(routing.layers)
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.update(1)
        styled = patched(model, keys, deltas, strength)
        if reads_style_image(style_expert):
            warn_without_style_image(styled, style_expert, cls.hidden and cls.hidden.unique_id)
        progress.update(1)
        return io.NodeOutput(styled, routing)
