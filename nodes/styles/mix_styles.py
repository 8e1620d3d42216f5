"""Mix Styles: a style between two styles, or away from one of them."""

from comfy_api.latest import io

from ...moe.style import Style, mix_two
from ..node_base import StyleRouteNode
from ..schema import StyleType, schema


class MixStyles(StyleRouteNode):
    """Mixes two STYLEs by their direction. `moe/mixing.py` explains the arithmetic."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_MixStyles",
            display_name="Mix Styles",
            description="Mixes two styles to one, or moves a style away from another one. Chain it for more styles.",
            search_aliases=["blend styles", "style interpolation", "slerp", "negative style"],
            inputs=[
                StyleType.Input("style_a", tooltip="The style at amount 0, from Encode Style or Load Style."),
                StyleType.Input("style_b", tooltip="The style at amount 1. It must come from the same style encoder."),
                io.Float.Input(
                    "amount",
                    default=0.5,
                    min=-1.0,
                    max=2.0,
                    step=0.05,
                    tooltip="The weight of style_b; style_a has the rest: 0 is style_a, 1 is style_b. "
                    "Below 0 the result moves away from style_b, above 1 away from style_a.",
                ),
            ],
            outputs=[StyleType.Output("STYLE", tooltip="The mixed style, for MoE Apply and Save Style.")],
        )

    @classmethod
    def execute(cls, style_a: Style, style_b: Style, amount: float) -> io.NodeOutput:
        return io.NodeOutput(mix_two(style_a, style_b, amount))
