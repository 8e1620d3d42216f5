"""Demo only: a genuine FLUX.1 Kontext of small width, through ComfyUI's own classes, for graphs that run anywhere."""

import folder_paths
from comfy_api.latest import ComfyExtension, io

from . import loading


class LoadTinyKontext(io.ComfyNode):
    """All parts of the tiny Kontext; from here on every node of a graph is stock."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TinyKontext_Load",
            display_name="Load Tiny Kontext (demo)",
            category="StyleRoute/demo",
            description="Loads a FLUX.1 Kontext of 14 million weights that runs on a CPU, made to try the style nodes. "
            "It works at 256 x 256 pixels. For real images, use the stock loaders and FLUX.1 Kontext.",
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
    """The demo pack, as ComfyUI sees it."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # Here and not in `on_load`, which ComfyUI 0.3.75 does not call.
        folder_paths.add_model_folder_path("style_experts", str(loading.models_folder() / "style_experts"))
        return [LoadTinyKontext]


async def comfy_entrypoint() -> TinyKontextExtension:
    """Called once by ComfyUI."""
    return TinyKontextExtension()
