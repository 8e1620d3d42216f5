"""The demo's node pack: a small FLUX.1 Kontext in ComfyUI's own classes, for workflows that run on any computer."""

import folder_paths
from comfy_api.latest import ComfyExtension, io

from . import loading


class LoadTinyKontext(io.ComfyNode):
    """Loads all parts of the small Kontext for stock nodes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TinyKontext_Load",
            display_name="Load Tiny Kontext (demo)",
            category="StyleRoute/demo",
            description="Loads a FLUX.1 Kontext of 14 million weights that runs on a CPU, to try the style nodes. "
            "It generates 256 x 256 pixels. For larger images, use the stock loaders and the real FLUX.1 Kontext.",
            inputs=[],
            outputs=[
                io.Model.Output("MODEL", tooltip="The small transformer."),
                io.Clip.Output("CLIP", tooltip="The small text encoders, T5 and CLIP-L."),
                io.Vae.Output("VAE", tooltip="The small autoencoder."),
                io.ClipVision.Output("CLIP_VISION", tooltip="The small SigLIP, for Encode Style."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(loading.load_model(), loading.load_clip(), loading.load_vae(), loading.load_clip_vision())


class TinyKontextExtension(ComfyExtension):
    """Registers the folder of the demo's experts and returns the node."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # ComfyUI 0.3.75 does not call `on_load`, so the folder is registered here.
        folder_paths.add_model_folder_path("style_experts", str(loading.models_folder() / "style_experts"))
        return [LoadTinyKontext]


async def comfy_entrypoint() -> TinyKontextExtension:
    """Returns the extension. ComfyUI calls this once."""
    return TinyKontextExtension()
