"""Capture Attention: any sampler that uses this MODEL records where it looks for the prompt's phrases."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...attention.selection import ALL, parse_blocks, parse_steps
from ..schema import AttentionMapsType, schema
from .capture import block_counts, with_capture
from .recorded_maps import KEEP, RecordedMaps
from .region_spans import require_spans
from .shared_inputs import capture_inputs


class CaptureAttention(io.ComfyNode):
    """MODEL to a MODEL that fills ATTENTION_MAPS while it is sampled."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_CaptureAttention",
            display_name="Capture Attention",
            description="Records where the model looks for the prompt's phrases while an ordinary sampler runs: "
            "KSampler, SamplerCustomAdvanced or any other. The image stays the same.",
            search_aliases=["attention map", "record attention", "cross attention"],
            # Two such nodes with the same inputs must not share their maps, as ComfyUI's cache would have it.
            not_idempotent=True,
            inputs=[
                io.Model.Input("model", tooltip="A FLUX.1 Kontext model; it is not changed, a copy of it is."),
                io.Conditioning.Input(
                    "conditioning", tooltip="The prompt that the sampler gets, from Region Style Prompt."
                ),
                *capture_inputs(),
            ],
            outputs=[
                io.Model.Output("MODEL", tooltip="The model, for one sampler."),
                AttentionMapsType.Output(
                    "ATTENTION_MAPS",
                    tooltip="Filled while the sampler runs; for Attention Map Preview behind that sampler.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, model: ModelPatcher, conditioning: list, blocks: str = ALL, capture_steps: str = ALL, keep: str = KEEP[0]
    ) -> io.NodeOutput:
        chosen, steps = parse_blocks(blocks, block_counts(model)), parse_steps(capture_steps)
        require_spans(conditioning)
        maps = RecordedMaps(keep)
        return io.NodeOutput(with_capture(model, maps, chosen, steps), maps)
