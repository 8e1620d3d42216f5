"""Reads the sizes of a style encoder from the keys and shapes of its file.

StyleExpert's layout has, for each tapped layer n, `embedding_linears.<n>.0`, `layer_norms.<n>`, `projections.<n>`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import StyleExpertError
from ..plain_text import quoted
from .config import SIGLIP_FILE, EncoderConfig
from .shapes import SizeBook, require_keys

Shapes = Mapping[str, tuple[int, ...]]

_TAP = r"(?:embedding_linears|layer_norms|projections)\.(-\d{1,4})\..+"


def read_encoder_config(path: Path, shapes: Shapes, entry: Mapping[str, Any] | None = None) -> EncoderConfig:
    """Read the configuration of the encoder whose keys (without prefix) have these `shapes`.

    Args:
        path: the file, for messages.
        shapes: shape of every key of the encoder.
        entry: the encoder's part of our header entry. It holds what shapes do not show: the order of the taps and the
            vision model. Without it, the tap nearest to the vision model's output comes first, as in the release.

    Raises:
        StyleExpertError: keys are missing or unknown, or shapes contradict each other or the entry.
    """
    entry = _require_entry(path, {} if entry is None else entry)
    taps = _taps(path, shapes, entry)
    depth, step = _projection_layout(path, shapes, taps)
    post = "post_projection.weight" in shapes
    _require_exactly(path, shapes, _needed(taps, depth, step, post))
    sizes = SizeBook(path)
    for tap in taps:
        for key, symbolic in _tap_shapes(tap, depth, step).items():
            sizes.learn(key, symbolic, shapes[key])
    concat = len(taps) * sizes["queries"] * sizes[f"p{depth}"]
    if post:
        sizes.learn("post_projection.weight", ("cond_dim", concat), shapes["post_projection.weight"])
        sizes.learn("post_projection.bias", ("cond_dim",), shapes["post_projection.bias"])
    return EncoderConfig(
        taps=taps,
        num_queries=sizes["queries"],
        num_tokens=sizes["tokens"],
        hidden_size=sizes["p0"],
        proj_dim=sizes[f"p{depth}"],
        cond_dim=sizes["cond_dim"] if post else concat,
        vision_model=_vision_model(entry, sizes["tokens"], sizes["p0"]),
        projection_widths=tuple(sizes[f"p{layer}"] for layer in range(1, depth)),
        projection_activation=step == 2 or depth == 1,
        post_projection=post,
    )


def _require_entry(path: Path, entry: Any) -> Mapping[str, Any]:
    """Check the encoder's part of our header entry: a table whose vision model, if any, is a name."""
    if isinstance(entry, dict) and isinstance(entry.get("vision_model", ""), str):
        return entry
    raise StyleExpertError(
        f"The header of {path.name} describes its encoder as {quoted(entry)}, expected a table with sizes and the "
        "file name of the vision model. Save the file again."
    )


def _taps(path: Path, shapes: Shapes, entry: Mapping[str, Any]) -> tuple[int, ...]:
    found = {int(match[1]) for key in shapes if (match := re.fullmatch(_TAP, key))}
    if not found:
        raise StyleExpertError(
            f"{path.name} holds no style encoder with keys such as embedding_linears.-2.0.weight. Choose the encoder "
            "file of a StyleExpert release."
        )
    named = entry.get("taps", sorted(found, reverse=True))
    if not isinstance(named, list) or set(map(str, named)) != set(map(str, found)):
        raise StyleExpertError(
            f"The header of {path.name} names the encoder's taps {quoted(named)}, but its keys belong to the taps "
            f"{sorted(found, reverse=True)}. Save the file again."
        )
    return tuple(named)


def _projection_layout(path: Path, shapes: Shapes, taps: tuple[int, ...]) -> tuple[int, int]:
    """(number of linear layers, step between their indices): step 2 leaves room for an activation, step 1 does not."""
    stem = f"projections.{taps[0]}."
    if f"{stem}weight" in shapes:
        return 1, 0
    names = (key.removeprefix(stem).split(".")[0] for key in shapes if key.startswith(stem))
    # A number with more digits is no index, and Python refuses to read numbers of more than 4,300 digits.
    indices = sorted({int(name) for name in names if re.fullmatch(r"\d{1,4}", name)})
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if not indices or step > 2 or indices != list(range(0, step * len(indices), step)):
        raise StyleExpertError(
            f"The projection in {path.name} has linear layers at the indices {indices}, expected 0, 1, 2 ... or "
            "0, 2, 4 ... A newer version of StyleRoute may read it."
        )
    return len(indices), step


def projection_key(tap: int, layer: int, depth: int, step: int) -> str:
    """Module name of linear layer number `layer` of `depth` in a tap's projection."""
    # Step 0 means a bare linear layer. In a Sequential the first layer has index 0.
    return f"projections.{tap}" if step == 0 and depth == 1 else f"projections.{tap}.{layer * step}"


def _tap_shapes(tap: int, depth: int, step: int) -> dict[str, tuple[str, ...]]:
    shapes: dict[str, tuple[str, ...]] = {
        f"embedding_linears.{tap}.0.weight": ("queries", "tokens"),
        f"embedding_linears.{tap}.0.bias": ("queries",),
        f"layer_norms.{tap}.weight": ("p0",),
        f"layer_norms.{tap}.bias": ("p0",),
    }
    for layer in range(depth):
        name = projection_key(tap, layer, depth, step)
        shapes[f"{name}.weight"] = (f"p{layer + 1}", f"p{layer}")
        shapes[f"{name}.bias"] = (f"p{layer + 1}",)
    return shapes


def _needed(taps: tuple[int, ...], depth: int, step: int, post: bool) -> list[str]:
    last = ["post_projection.weight", "post_projection.bias"] if post else []
    return [key for tap in taps for key in _tap_shapes(tap, depth, step)] + last


def _require_exactly(path: Path, shapes: Shapes, needed: list[str]) -> None:
    require_keys(path, needed, shapes)
    if unknown := sorted(shapes.keys() - set(needed)):
        raise StyleExpertError(
            f"The style encoder in {path.name} has {len(unknown)} unknown keys, such as {quoted(unknown[0])}. "
            "A newer version of StyleRoute may read it."
        )


def _vision_model(entry: Mapping[str, Any], tokens: int, width: int) -> str:
    if named := entry.get("vision_model"):
        return named
    return SIGLIP_FILE if (tokens, width) == (729, 1152) else f"a SigLIP vision model of {tokens} x {width}"
