"""The inputs of RegionRoute Sampler."""

import comfy.samplers
from comfy_api.latest import io

from ..maps.shared_inputs import capture_inputs, region_input
from ..model_folders import expert_names
from ..schema import model_input
from .region_experts import AUTO, NO_EXPERT

AUTO_BLOCKS = "auto (the blocks that the region expert's training supervised if its file records them, else all), all"
"""The keywords of "blocks" for its tooltip."""


def sampler_inputs() -> list[io.Input]:
    """All inputs, in the order of saved workflows."""
    return [*_graph_inputs(), *_ksampler_inputs(), *_region_inputs(), *capture_inputs(AUTO, AUTO_BLOCKS)]


def _graph_inputs() -> list[io.Input]:
    return [
        model_input(),
        io.Conditioning.Input(
            "positive", tooltip="The prompt, from Region Style Prompt, with the content image by Reference Latent."
        ),
        io.Conditioning.Input("negative", optional=True, tooltip="What to avoid. Needed only if cfg is not 1."),
        io.Latent.Input("latent_image", tooltip="The latent to start from, in the size of the result."),
    ]


def _ksampler_inputs() -> list[io.Input]:
    return [
        io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip="As in KSampler."),
        io.Int.Input("steps", default=28, min=1, max=10000, tooltip="As in KSampler."),
        io.Float.Input(
            "cfg",
            default=1.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="As in KSampler. Use 1 for FLUX.1 Kontext and set its guidance with Flux Guidance; other values "
            "need a negative.",
        ),
        io.Combo.Input(
            "sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="euler", tooltip="As in KSampler."
        ),
        io.Combo.Input(
            "scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="simple", tooltip="As in KSampler."
        ),
        io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="As in KSampler."),
    ]


def _region_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "region_expert",
            options=[AUTO, NO_EXPERT, *expert_names()],
            default=AUTO,
            tooltip="The LoRA of the style. auto takes the file with the style's name (pixel-art.safetensors for "
            "'pixel-art') from models/style_experts or models/loras.",
        ),
        io.Float.Input(
            "expert_strength",
            default=1.0,
            min=-2.0,
            max=2.0,
            step=0.05,
            tooltip="The strength of the region expert: 1 as trained, 0 no effect.",
        ),
        region_input(),
        io.Float.Input(
            "background_lock",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Keeps the image outside the region at the reference: 0 not at all, 1 exactly.",
        ),
        io.Boolean.Input(
            "heat_preview", default=False, tooltip="Shows the growing heat map over the preview while sampling."
        ),
    ]
