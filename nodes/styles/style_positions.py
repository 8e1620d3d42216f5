"""The position of the style image, as a second reference, among the model's tokens.

ComfyUI's reference method `index` gives the style image the positions (2, row, column). Some experts were trained with
its rows further down: StyleExpert's release has a variant with 64.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...moe import StyleExpert, StyleExpertError
from ..model_wrappers import ModelCall, wrap_calls

STYLE_INDEX = 2
"""First number of the style image's positions; the content image has 1, the sampled image 0."""
KEY = "style_rows"
NOT_COMPILED = "{name} moves the style image's rows, so the model runs without torch.compile."
ATTACHMENT = "styleroute_style_rows"
"""Attachment of a MODEL that holds the rows of the experts applied so far. Clones inherit it."""


def require_same_rows(model: ModelPatcher, expert: StyleExpert) -> None:
    """Requires that all experts on a MODEL were trained with the style image at one position.

    Raises:
        StyleExpertError: an expert applied before has another position.
    """
    before = model.get_attachment(ATTACHMENT)
    if None not in (before, expert.style_rows) and before != expert.style_rows:
        raise StyleExpertError(
            f"{expert.path.name} was trained with the style image {expert.style_rows} rows below the content image, "
            f"but the experts applied before have {before} rows. Use experts with the same rows on one model."
        )


def set_style_rows(model: ModelPatcher, expert: StyleExpert) -> None:
    """Moves the style image's rows to where `expert` was trained. Changes `model`, which must be a clone."""
    rows, before = expert.style_rows, model.get_attachment(ATTACHMENT)
    if rows is None or rows == before:
        return
    model.set_attachments(ATTACHMENT, rows)
    if rows == 0:  # as in ComfyUI
        return

    def move(tokens: dict[str, Any]) -> dict[str, Any]:
        ids = tokens["img_ids"].clone()  # [B, tokens, (index, row, column)]
        ids[..., 1] += rows * (ids[..., 0] == STYLE_INDEX)
        return {**tokens, "img_ids": ids}

    @contextmanager
    def change(call: ModelCall) -> Iterator[Mapping[str, Any]]:
        patches = call.options.get("patches", {})
        yield {"patches": {**patches, "post_input": [*patches.get("post_input", ()), move]}}

    wrap_calls(model, KEY, change)
