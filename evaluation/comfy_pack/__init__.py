"""A node pack for `styleroute evaluate`: it reads attention maps as numbers, and sets the rule for text tokens."""

import json
import sys

from comfy_api.latest import ComfyExtension, io


class ReadMaps(io.ComfyNode):
    """Returns the first image's map of every phrase, averaged over all steps, and over all captured blocks or none."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Evaluation_ReadMaps",
            category="StyleRoute/evaluation",
            is_output_node=True,
            inputs=[
                io.Custom("ATTENTION_MAPS").Input("attention_maps"),
                io.Boolean.Input("each_block", default=False, optional=True),
                io.Latent.Input("after", optional=True, tooltip="The sampler's result: the maps are read after it."),
            ],
        )

    @classmethod
    def execute(cls, attention_maps, each_block: bool = False, after: dict | None = None) -> io.NodeOutput:
        read = _maps_by_block if each_block else _mean_map
        maps = {span.name: read(attention_maps, span.name) for span in attention_maps.spans.values()}
        return io.NodeOutput(ui={"maps": [json.dumps(maps)]})


class TextRule(io.ComfyNode):
    """Sets which styles act on the text tokens: those of the whole image, as in the nodes; by mean weight; or all.

    It changes the pack of this process. Nodes in front of a sampler run before it, so each workflow sets its own rule.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Evaluation_TextRule",
            category="StyleRoute/evaluation",
            inputs=[io.Model.Input("model"), io.Combo.Input("rule", options=list(TEXT_RULES))],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, rule: str) -> io.NodeOutput:
        (module,) = (module for name, module in sys.modules.items() if name.endswith(".nodes.branch.token_grids"))
        module.text_weights = TEXT_RULES[rule]
        return io.NodeOutput(model)


TEXT_RULES = {
    "whole image": lambda image: (image.amin(dim=1, keepdim=True) >= 1).float(),
    "mean": lambda image: image.mean(dim=1, keepdim=True),
    "all": lambda image: image.new_ones(len(image), 1),
}
"""The weight in the text tokens, [rows, 1], from the weights in the image's tokens, [rows, h * w]."""


def _mean_map(attention_maps, name: str) -> list[list[float]]:
    return attention_maps.mean(0, name).tolist()


def _maps_by_block(attention_maps, name: str) -> dict[str, list[list[float]]]:
    """The map of each block, such as "single 2"."""
    kept = attention_maps.read(0, name)
    return dict(zip(kept.blocks, kept.values.mean(dim=0)[:, 0].tolist(), strict=True))


class EvaluationExtension(ComfyExtension):
    """Registers the nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ReadMaps, TextRule]


async def comfy_entrypoint() -> EvaluationExtension:
    """ComfyUI calls this once."""
    return EvaluationExtension()
