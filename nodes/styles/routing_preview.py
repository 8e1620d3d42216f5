"""Routing Preview: shows which experts a style was routed to."""

from comfy_api.latest import io, ui

from ..node_base import StyleRouteNode
from ..schema import RoutingType, schema
from .routing_chart import empty_chart, routing_chart
from .style_types import RoutingTable

NO_ROUTING = "No routing: MoE Apply is bypassed, muted or not connected."


class RoutingPreview(StyleRouteNode):
    """Draws a ROUTING as an image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RoutingPreview",
            display_name="Routing Preview",
            description="Shows which experts a style was routed to, and their weights: "
            "one row per layer of the model, one column per expert.",
            search_aliases=["expert heat map", "show routing"],
            is_output_node=True,
            inputs=[
                RoutingType.Input(
                    "routing",
                    optional=True,  # a bypassed MoE Apply gives no ROUTING, and the workflow must still run
                    tooltip="The routing, from MoE Apply. Without it, the chart is empty.",
                )
            ],
            outputs=[io.Image.Output("IMAGE", tooltip="The chart as an image.")],
        )

    @classmethod
    def execute(cls, routing: RoutingTable | None = None) -> io.NodeOutput:
        chart = empty_chart(NO_ROUTING) if routing is None else routing_chart(routing)
        return io.NodeOutput(chart, ui=ui.PreviewImage(chart, cls=cls))
