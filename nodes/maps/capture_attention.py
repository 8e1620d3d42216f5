"""Capture Attention: any sampler that uses the node's MODEL records the attention maps of the prompt's phrases."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...attention import AttentionError
from ...attention.selection import ALL, parse_blocks, parse_steps
from ..comfy_server import NodeText
from ..node_base import StyleRouteNode
from ..schema import AttentionMapsType, model_input, schema
from .capture import block_counts, with_capture
from .recorded_maps import KEEP, RecordedMaps
from .region_spans import require_spans, spans_of
from .shared_inputs import capture_inputs


class CaptureAttention(StyleRouteNode):
    """Turns a MODEL into a MODEL that fills ATTENTION_MAPS while a sampler runs."""

    refusal = AttentionError

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_CaptureAttention",
            display_name="Capture Attention",
            description="Records where the model finds the prompt's phrases in the image while a stock sampler runs: "
            "KSampler, SamplerCustomAdvanced or any other. The image stays the same within rounding.",
            search_aliases=[
                "attention map",
                "record attention",
                "cross attention",
                "mask from text",
                "segment",
            ],
            # ComfyUI's cache would give two nodes with equal inputs the same maps; each sampler needs its own.
            not_idempotent=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                model_input(),
                io.Conditioning.Input("conditioning", tooltip="The sampler's prompt, from Region Style Prompt."),
                *capture_inputs(),
            ],
            outputs=[
                io.Model.Output("MODEL", tooltip="The model, for one sampler."),
                AttentionMapsType.Output(
                    "ATTENTION_MAPS",
                    tooltip="Filled while the sampler runs. Connect it to an Attention Map Preview after that sampler.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, model: ModelPatcher, conditioning: list, blocks: str = ALL, capture_steps: str = ALL, keep: str = KEEP[0]
    ) -> io.NodeOutput:
        chosen, steps = parse_blocks(blocks, block_counts(model)), parse_steps(capture_steps)
        require_spans(spans_of(conditioning))
        maps, text = RecordedMaps(keep), NodeText(cls.hidden and cls.hidden.unique_id)
        return io.NodeOutput(with_capture(model, maps, chosen, steps, text), maps)
