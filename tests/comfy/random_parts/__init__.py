"""A node pack for tests only: loads random models of the right and of wrong kinds."""

import tempfile
from pathlib import Path

from comfy_api.latest import ComfyExtension, io

MODELS = {"Flux": "FLUX", "SD15": "SD15"}
VISIONS = ["SIGLIP", "CLIP_L"]


class LoadRandomParts(io.ComfyNode):
    """Loads MODEL, CLIP_VISION and CONDITIONING with random weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Test_LoadRandomParts",
            category="tests",
            inputs=[io.Combo.Input("model", options=list(MODELS)), io.Combo.Input("vision", options=VISIONS)],
            outputs=[io.Model.Output(), io.ClipVision.Output(), io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, model: str, vision: str) -> io.NodeOutput:
        from . import parts

        with tempfile.TemporaryDirectory() as folder:
            clip_vision = parts.random_vision(getattr(parts, vision), Path(folder))
        flux = parts.random_model(model, getattr(parts, MODELS[model]))
        return io.NodeOutput(flux, clip_vision, parts.random_conditioning())


class RandomPartsExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [LoadRandomParts]


async def comfy_entrypoint() -> RandomPartsExtension:
    return RandomPartsExtension()
