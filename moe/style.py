"""A style as one value: its embedding, the encoder that made it, and what a person recognises it by."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import StyleExpertError
from .expert import StyleExpert
from .mixing import mix, mix_pair
from .thumbnail import side_by_side

MAX_NAME = 80
"""Upper limit for the characters of a style's name."""


@dataclass(frozen=True)
class Style:
    """A style that was encoded from one or several style images, or mixed from other styles.

    Attributes:
        embedding: [B, cond_dim] float32: one style [1, cond_dim], or one row for each image of a batch.
        num_references: number of style images.
        encoder_id: `encoder_id` of the style encoder. Only experts with the same encoder accept the style.
        name: a name for people, with at most `MAX_NAME` characters; may be empty.
        thumbnail: uint8 [H, W, 3], a small copy of the style image; None without one.
    """

    embedding: Tensor
    num_references: int
    encoder_id: str
    name: str = ""
    thumbnail: Tensor | None = None


def encoder_id(encoder: nn.Module) -> str:
    """Digest of the exact weights of a style encoder: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def require_style(expert: StyleExpert, style: Style | None) -> Tensor | None:
    """Like `require_styles`, for one style: [1, cond_dim].

    Raises:
        StyleExpertError: there is no style, another encoder made it, or it holds one style per image.
    """
    require_styles(expert, style)
    return None if expert.config.is_lora or style is None else _require_single(style).embedding


def unused_style(expert: StyleExpert, style: Style | None) -> str | None:
    """A sentence about a style that has no effect, because the expert is a plain LoRA; None if there is none."""
    if style is None or not expert.config.is_lora:
        return None
    return f"{expert.path.name} is a plain LoRA with one style of its own, so the connected style has no effect."


def require_styles(expert: StyleExpert, style: Style | None) -> Tensor | None:
    """The embeddings [B, cond_dim] for the routers of `expert`; None for a plain LoRA, which has one style only.

    Raises:
        StyleExpertError: there is no style, or another encoder made it.
    """
    if expert.config.is_lora:
        return None
    if style is None:
        raise StyleExpertError(
            f"{expert.path.name} needs a style to choose among its {expert.config.num_experts} experts, but no style "
            "is connected. Connect the output of Encode Style to 'style'."
        )
    if (found := style.embedding.shape[-1]) != expert.config.cond_dim:
        raise StyleExpertError(
            f"The style has {found} numbers, but the routers of {expert.path.name} expect {expert.config.cond_dim}. "
            "Connect the same STYLE_EXPERT to Encode Style and to this node."
        )
    if expert.encoder_config is not None and (own := encoder_id(expert.encoder)) != style.encoder_id:
        raise StyleExpertError(
            f"The style comes from the style encoder {style.encoder_id}, but {expert.path.name} expects its own "
            f"encoder {own}. Connect the same STYLE_EXPERT to Encode Style and to this node, or use the experts that "
            "the saved style belongs to."
        )
    return style.embedding


def mix_styles(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """Mix single styles with weights, as `mixing.mix` does.

    Raises:
        StyleExpertError: the styles come from different encoders, hold one style per image, or cannot be mixed.
    """
    _require_one_encoder(styles)
    embedding = mix(torch.cat([_require_single(style).embedding for style in styles]), weights)
    return _joined(styles, weights, embedding)


def mix_two(first: Style, second: Style, amount: float) -> Style:
    """Mix two styles, row by row if they hold one style per image: amount 0 is `first`, 1 is `second`.

    Raises:
        StyleExpertError: the styles come from different encoders, or cannot be mixed.
    """
    _require_one_encoder((first, second))
    embedding = mix_pair(first.embedding, second.embedding, amount)
    return _joined((first, second), (1 - amount, amount), embedding)


def clean_name(name: str) -> str:
    """The name without line breaks and invisible characters, with at most `MAX_NAME` characters."""
    visible = "".join(letter for letter in name if letter.isprintable() or letter.isspace())
    return " ".join(visible.split())[:MAX_NAME]


def _joined(styles: Sequence[Style], weights: Sequence[float], embedding: Tensor) -> Style:
    """The mixed style: names with their weights, and thumbnails side by side, of all styles with a weight."""
    used = [(style, weight) for style, weight in zip(styles, weights, strict=True) if weight]
    if len(used) == 1:
        name = used[0][0].name
    else:
        name = clean_name(" + ".join(f"{weight:.2g} {style.name or 'unnamed'}" for style, weight in used))
    return Style(
        embedding=embedding,
        num_references=sum(style.num_references for style, _ in used),
        encoder_id=styles[0].encoder_id,
        name=name,
        thumbnail=side_by_side([style.thumbnail for style, _ in used if style.thumbnail is not None]),
    )


def _require_one_encoder(styles: Sequence[Style]) -> None:
    encoders = sorted({style.encoder_id for style in styles})
    if len(encoders) > 1:
        raise StyleExpertError(
            f"The styles come from different style encoders ({' and '.join(encoders)}), whose numbers have different "
            "meanings. Encode all style images with the same STYLE_EXPERT."
        )


def _require_single(style: Style) -> Style:
    if (count := len(style.embedding)) != 1:
        raise StyleExpertError(
            f"The style holds {count} styles, one per image, but one style for all images is expected here. Choose "
            "'mean of the references' in Encode Style."
        )
    return style
