"""The tokens of one call of Flux, and the weight of a style in each of them.

Flux orders its tokens as text, image, references. The image stream of a double block holds image and references, the
text stream holds the text, and a single block holds all three.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...moe.branch import TokenWeights

Stream = Literal["text", "image", "joint", "row"]
"""The tokens that a layer gets. "row": one vector per row of the batch, as in modulations."""
Grid = tuple[int, int]
"""(h, w) of an image's tokens."""
PATCH = 2
"""Latents along each side of one token."""


def stream_of(key: str) -> Stream:
    """The stream of a module of ComfyUI's Flux, such as "double_blocks.0.img_attn.qkv"."""
    if any(part in key for part in ("_mod.", "modulation", "time_in", "vector_in", "guidance_in")):
        return "row"
    if key.startswith("single_blocks."):
        return "joint"
    return "text" if ".txt_" in key or key == "txt_in" else "image"


@dataclass(frozen=True)
class TokenGrids:
    """The tokens of one call.

    Attributes:
        conditionings: number of conditionings in the batch.
        images: number of images per conditioning.
        text: number of text tokens.
        image: (h, w) of the image tokens.
        references: (h, w) of each reference's tokens.
    """

    conditionings: int
    images: int
    text: int
    image: Grid
    references: tuple[Grid, ...] = ()

    @classmethod
    def of(cls, x: Tensor, context: Tensor, references: Sequence[Tensor] | None, conditionings: int) -> "TokenGrids":
        """The tokens of latents x [rows, C, H, W], text [rows, tokens, D] and reference latents [*, C, H, W]."""
        grids = tuple(_grid(reference) for reference in references or ())
        return cls(conditionings, len(x) // conditionings, context.shape[1], _grid(x), grids)

    @property
    def tokens(self) -> int:
        """Tokens of one row: text, image and references."""
        return self.text + sum(height * width for height, width in (self.image, *self.references))

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self.conditionings * self.images


def _grid(latents: Tensor) -> Grid:
    """(h, w) of the tokens of latents [..., H, W]. Flux pads odd sizes."""
    return -(-latents.shape[-2] // PATCH), -(-latents.shape[-1] // PATCH)


ImageWeights = Callable[[Grid], Tensor]
"""Gives the weights of the images, [images, h, w], for a grid of tokens."""
ReferenceWeights = Sequence[float | None]
"""The weight of a style in each reference of a conditioning; None for a reference that shows the content."""


def nowhere(grid: Grid) -> Tensor:
    """The weights of a style that is nowhere in the image, [1, h, w]."""
    return torch.zeros(1, *grid)


def style_weights(
    grids: TokenGrids,
    place: ImageWeights | None,
    row_factors: Sequence[float],
    references: Sequence[ReferenceWeights],
    device: torch.device,
    only_image: int | None = None,
) -> dict[Stream, TokenWeights]:
    """The weight of a style in the tokens of each stream.

    Text tokens and layers without tokens (modulations) change the whole image at once, so only a style of the whole
    image acts there. A reference that shows an object gets the weights of its own places.
    A reference that shows a style has weight 1 for the style's own experts, and 0 for the experts of other styles.

    Args:
        grids: the tokens of the call.
        place: the style's weights in the image; None for the whole image.
        row_factors: factor of each conditioning, for instance 0 for a prompt without the style.
        references: the weight of each reference, for each conditioning.
        device: device of the result.
        only_image: number of the only image of the batch with this style; None for all images.
    """
    factors = torch.tensor(row_factors).repeat_interleave(grids.images)[:, None]  # [rows, 1]
    if only_image is not None:
        factors = factors * (torch.arange(grids.rows) % grids.images == only_image)[:, None]
    image = _flat(place, grids.image, grids)
    shown = [
        torch.cat([_reference(of_prompt[index], grid, place, grids) for of_prompt in references])
        for index, grid in enumerate(grids.references)
    ]
    text = text_weights(image).expand(-1, grids.text)
    parts: dict[Stream, Tensor] = {
        "text": text,
        "image": torch.cat([image, *shown], dim=1),
        "joint": torch.cat([text, image, *shown], dim=1),
        "row": (image.amin(dim=1, keepdim=True) >= 1).float(),
    }
    return {stream: TokenWeights.of((weights * factors).to(device)) for stream, weights in parts.items()}


def text_weights(image: Tensor) -> Tensor:
    """The weight of a style in the text tokens, [rows, 1], from its weights in the image's tokens, [rows, h * w].

    Only a style of the whole image acts on the text. The mean weight of the image, and the whole style, were measured
    as well: the style on the object is the same, but the background changes more (docs/results-objects.md).
    """
    return (image.amin(dim=1, keepdim=True) >= 1).float()


def _flat(place: ImageWeights | None, grid: Grid, grids: TokenGrids) -> Tensor:
    """The weights of `grid` for all conditionings, [rows, h * w]."""
    return _one_prompt(place, grid, grids).repeat(grids.conditionings, 1)


def _one_prompt(place: ImageWeights | None, grid: Grid, grids: TokenGrids) -> Tensor:
    """The weights of `grid` for one conditioning, [images, h * w]."""
    if place is None:
        return torch.ones(grids.images, grid[0] * grid[1])
    return place(grid).flatten(1).float().cpu().expand(grids.images, -1)


def _reference(weight: float | None, grid: Grid, place: ImageWeights | None, grids: TokenGrids) -> Tensor:
    """The weights of a reference's tokens for one conditioning, [images, h * w]."""
    if weight is None:
        return _one_prompt(place, grid, grids)
    return torch.full((grids.images, grid[0] * grid[1]), weight)
