"""Reads the sizes of a style encoder from the keys and shapes of its file.

StyleExpert's layout has, for each tapped layer n, `embedding_linears.<n>.0`, `layer_norms.<n>`, `projections.<n>`. The
layer norms, and the projections, are missing if the encoder was built without them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
            vision model, and whether two linear layers have an activation. Without it, the tap nearest to the vision
            model's output comes first, and the activations are those of the release.

    Raises:
        StyleExpertError: keys are missing or unknown, or shapes contradict each other or the entry.
    """
    entry = _require_entry(path, {} if entry is None else entry)
    taps = _taps(path, shapes, entry)
    layout = _tap_layout(path, shapes, taps[0], entry)
    depth, post = len(layout.linears), "post_projection.weight" in shapes
    _require_exactly(path, shapes, _needed(taps, layout, post))
    sizes = SizeBook(path)
    for tap in taps:
        for key, symbolic in _tap_shapes(tap, layout).items():
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
        projection_activation=layout.order in ("single", "between"),
        post_projection=post,
        release_projection=layout.order == "release",
        layer_norm=layout.layer_norm,
        projection=depth > 0,
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


@dataclass(frozen=True)
class _TapLayout:
    """The modules of one tap.

    Attributes:
        linears: names of the projection's linear layers within `projections.<tap>`: ("",) for a bare layer.
        order: where the projection has activations: "single" (one layer), "between" its layers, as in the "release"
            (after every layer but the first), or "none".
        layer_norm: whether there is a layer norm.
    """

    linears: tuple[str, ...]
    order: str
    layer_norm: bool


def _tap_layout(path: Path, shapes: Shapes, tap: int, entry: Mapping[str, Any]) -> _TapLayout:
    stem, has_norm = f"projections.{tap}.", any(key.startswith("layer_norms.") for key in shapes)
    if f"{stem}weight" in shapes:
        return _TapLayout(("",), "single", has_norm)
    names = (key.removeprefix(stem).split(".")[0] for key in shapes if key.startswith(stem))
    # A number with more digits is no index, and Python refuses to read numbers of more than 4,300 digits.
    indices = sorted({int(name) for name in names if re.fullmatch(r"\d{1,4}", name)})
    if not indices and not has_norm:
        raise StyleExpertError(
            f"The style encoder in {path.name} has neither projections nor layer norms, so its file does not show the "
            "width of the vision model. Choose an encoder that was trained with context_layer_norm or with projections."
        )
    order = _order(indices, entry)
    if order is None:
        raise StyleExpertError(
            f"The projection in {path.name} has linear layers at the indices {indices[:8]}, expected 0, 1, 3, 5 ... as "
            "in StyleExpert, 0, 2, 4 ... or 0, 1, 2 ... A newer version of StyleRoute may read it."
        )
    return _TapLayout(tuple(f".{index}" for index in indices), order, has_norm)


def _order(indices: list[int], entry: Mapping[str, Any]) -> str | None:
    """Where a Sequential with linear layers at these indices has its activations; None for an unknown layout."""
    depth = len(indices)
    if indices in ([], [0]):
        return "single"
    if indices == [0, *range(1, 2 * depth - 2, 2)] and _may_be_release(depth, entry):
        return "release"
    if indices == list(range(0, 2 * depth, 2)):
        return "between"
    return "none" if indices == list(range(depth)) else None


def _may_be_release(depth: int, entry: Mapping[str, Any]) -> bool:
    """Whether the layout is StyleExpert's. Two layers at 0 and 1 may also be our own, without any activation."""
    without_activation = entry.get("projection_activation") is False
    return depth > 2 or entry.get("release_projection", not without_activation) is True


def _tap_shapes(tap: int, layout: _TapLayout) -> dict[str, tuple[str, ...]]:
    shapes: dict[str, tuple[str, ...]] = {
        f"embedding_linears.{tap}.0.weight": ("queries", "tokens"),
        f"embedding_linears.{tap}.0.bias": ("queries",),
    }
    if layout.layer_norm:
        shapes |= {f"layer_norms.{tap}.weight": ("p0",), f"layer_norms.{tap}.bias": ("p0",)}
    for layer, name in enumerate(layout.linears):
        stem = f"projections.{tap}{name}"
        shapes |= {f"{stem}.weight": (f"p{layer + 1}", f"p{layer}"), f"{stem}.bias": (f"p{layer + 1}",)}
    return shapes


def _needed(taps: tuple[int, ...], layout: _TapLayout, post: bool) -> list[str]:
    last = ["post_projection.weight", "post_projection.bias"] if post else []
    return [key for tap in taps for key in _tap_shapes(tap, layout)] + last


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
