"""A node pack for `styleroute evaluate regions`: its node returns attention maps as numbers."""

import json

from comfy_api.latest import ComfyExtension, io


class ReadMaps(io.ComfyNode):
    """Returns the first image's map of every phrase, averaged over the captured blocks and all steps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Evaluation_ReadMaps",
            category="StyleRoute/evaluation",
            is_output_node=True,
            inputs=[io.Custom("ATTENTION_MAPS").Input("attention_maps")],
        )

    @classmethod
    def execute(cls, attention_maps) -> io.NodeOutput:
        maps = {span.name: attention_maps.mean(0, span.name).tolist() for span in attention_maps.spans.values()}
        return io.NodeOutput(ui={"maps": [json.dumps(maps)]})


class EvaluationExtension(ComfyExtension):
    """Registers the node."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ReadMaps]


async def comfy_entrypoint() -> EvaluationExtension:
    """ComfyUI calls this once."""
    return EvaluationExtension()
