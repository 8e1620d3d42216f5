"""FluxKontextPipeline with style images as further references, by ComfyUI's reference method `index`."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import FluxKontextPipeline
from PIL import Image, ImageOps
from torch import Tensor

from ..flux.latents import pack, position_ids

PREFERRED = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688),
    (1568, 672),
)  # fmt: skip
"""Widths and heights that FLUX.1 Kontext was trained on, in pixels."""


class StyleKontextPipeline(FluxKontextPipeline):
    """Takes style images beside the content image. Each one is a reference with its own index at the same positions.

    Experts that were trained with the style image need them. Without style images it equals its base class.

    Attributes:
        sizes: widths and heights in pixels that the model was trained on.
        text_tokens: length of a prompt in T5 tokens.
    """

    sizes: Sequence[tuple[int, int]] = PREFERRED
    text_tokens: int = 128
    _style_images: Sequence[Image.Image] = ()
    _style_rows: int = 0

    def stylise(
        self,
        content: Image.Image,
        prompt: str,
        style_images: Sequence[Image.Image] = (),
        style_rows: int = 0,
        **options: Any,
    ) -> Any:
        """Edit the content image at the trained size nearest to its proportions; the rest is cropped evenly.

        Args:
            content: the content image.
            prompt: describes the content.
            style_images: style images, each a further reference. They are cropped to the content's proportions.
            style_rows: offset of the style images' positions, in rows of tokens; experts record it.
            options: further arguments of `FluxKontextPipeline.__call__`.

        Returns:
            What the pipeline returns; its `images` are the results.
        """
        width, height = nearest_size(content, self.sizes)
        self._style_images = [ImageOps.fit(image.convert("RGB"), (width, height), _LANCZOS) for image in style_images]
        self._style_rows = style_rows
        options = {"max_sequence_length": self.text_tokens, "max_area": width * height} | options
        try:
            return self(
                image=ImageOps.fit(content.convert("RGB"), (width, height), _LANCZOS),
                prompt=prompt,
                height=height,
                width=width,
                _auto_resize=False,
                **options,
            )
        finally:
            self._style_images = ()

    def prepare_latents(self, image: Any, batch_size: int, *arguments: Any, **named: Any) -> tuple[Any, ...]:
        """The base class's latents and positions, with those of the style images appended to the references."""
        latents, references, latent_ids, reference_ids = super().prepare_latents(image, batch_size, *arguments, **named)
        parts, ids = ([], []) if references is None else ([references], [reference_ids])
        for index, style in enumerate(self._style_images, start=len(parts) + 1):
            encoded = self._encode_style_image(style, latents)
            rows, columns = (size // 2 for size in encoded.shape[-2:])
            positions = position_ids(rows, columns, index=index, top=self._style_rows)
            parts.append(pack(encoded).expand(batch_size, -1, -1))
            ids.append(positions.to(latent_ids))
        if not parts:
            return latents, references, latent_ids, reference_ids
        return latents, torch.cat(parts, dim=1), latent_ids, torch.cat(ids, dim=0)

    def _encode_style_image(self, image: Image.Image, like: Tensor) -> Tensor:
        pixels = self.image_processor.preprocess(image).to(like.device, self.vae.dtype)
        return self._encode_vae_image(image=pixels, generator=None).to(like.dtype)


_LANCZOS = Image.Resampling.LANCZOS


def nearest_size(image: Image.Image, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The width and height in `sizes` whose proportions are nearest to the image's."""
    ratio = image.width / image.height
    return min(sizes, key=lambda size: abs(ratio - size[0] / size[1]))
