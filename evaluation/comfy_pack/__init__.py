"""Evidence only: a node that gives attention maps as numbers. `styleroute evaluate regions` drives it."""

import json

from comfy_api.latest import ComfyExtension, io


class ReadMaps(io.ComfyNode):
    """The mean map of every phrase over all captured blocks and steps, of the first image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Evidence_ReadMaps",
            category="StyleRoute/evidence",
            is_output_node=True,
            inputs=[io.Custom("ATTENTION_MAPS").Input("attention_maps")],
        )

    @classmethod
    def execute(cls, attention_maps) -> io.NodeOutput:
        maps = {span.name: attention_maps.mean(0, span.name).tolist() for span in attention_maps.spans.values()}
        return io.NodeOutput(ui={"maps": [json.dumps(maps)]})


class EvidenceExtension(ComfyExtension):
    """The evidence's node, as ComfyUI sees it."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ReadMaps]


async def comfy_entrypoint() -> EvidenceExtension:
    """Called once by ComfyUI."""
    return EvidenceExtension()
