"""Style References: adds one reference latent for each style image to a prompt."""

import comfy.utils
from comfy_api.latest import io
from torch import Tensor

from ...moe import StyleExpertError
from ..node_base import StyleRouteNode
from ..schema import schema
from .style_images import more_image_inputs, single_images
from .style_reference import INDEX_METHOD

LATENT_CHANNELS = 16
"""Channels of FLUX's latents."""
MULTIPLE = 16
"""Image sizes are multiples of this number of pixels: a token covers 2 x 2 latents of 8 x 8 pixels."""


class StyleReferences(StyleRouteNode):
    """Encodes style images with the VAE and appends them to a prompt's reference latents, by the method `index`.

    For each style image this equals the stock nodes ImageScale (to the content's size), VAEEncode and ReferenceLatent.
    FluxKontextMultiReferenceLatentMethod follows them.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_StyleReferences",
            display_name="Style References",
            description="Adds a reference latent for each style image to a prompt, after the content image's. "
            "Experts that were trained with the style image need it.",
            search_aliases=["reference latent", "kontext reference", "style image"],
            inputs=[
                io.Conditioning.Input(
                    "conditioning", tooltip="The prompt, with the content image's Reference Latent before this node."
                ),
                io.Vae.Input("vae", tooltip="The VAE of FLUX.1 Kontext."),
                io.Image.Input("image", tooltip="The style image, or a batch of them. Each becomes one reference."),
                *more_image_inputs(),
            ],
            outputs=[io.Conditioning.Output("CONDITIONING", tooltip="The prompt with all references.")],
        )

    @classmethod
    def execute(
        cls,
        conditioning,
        vae,
        image: Tensor,
        image_2: Tensor | None = None,
        image_3: Tensor | None = None,
        image_4: Tensor | None = None,
    ) -> io.NodeOutput:
        _require_vae(vae)
        images = single_images(image=image, image_2=image_2, image_3=image_3, image_4=image_4)
        encoded: dict[tuple[int, int] | None, list[Tensor]] = {}
        referred = []
        for text, options in conditioning:
            present = options.get("reference_latents") or []
            # References by the method `index` lie over the content image, so they have its size.
            size = _pixels(present[0], vae) if present else None
            if size not in encoded:
                encoded[size] = [vae.encode(_resized(one, size)) for one in images]
            latents = {"reference_latents": [*present, *encoded[size]], "reference_latents_method": INDEX_METHOD}
            referred.append([text, {**options, **latents}])
        return io.NodeOutput(referred)


def _require_vae(vae) -> None:
    """Refuses the VAE of another family before an image is encoded.

    Raises:
        StyleExpertError: its latents do not have FLUX's channels.
    """
    found = getattr(vae, "latent_channels", None)
    if found != LATENT_CHANNELS:
        raise StyleExpertError(
            f"The VAE makes latents of {found} channels, expected {LATENT_CHANNELS} as in FLUX.1. Connect the VAE of "
            "FLUX.1 Kontext (ae.safetensors, from Load VAE)."
        )


def _pixels(latent: Tensor, vae) -> tuple[int, int]:
    """(height, width) in pixels of the image behind a latent."""
    scale = vae.spacial_compression_encode()
    return latent.shape[-2] * scale, latent.shape[-1] * scale


def _resized(image: Tensor, size: tuple[int, int] | None) -> Tensor:
    """The middle of `image` [1, H, W, 3] at a size; without a size, at its own size, rounded down to whole tokens."""
    height, width = size or (max(MULTIPLE, side // MULTIPLE * MULTIPLE) for side in image.shape[1:3])
    scaled = comfy.utils.common_upscale(image.movedim(-1, 1), width, height, "lanczos", "center")
    return scaled.movedim(1, -1)
