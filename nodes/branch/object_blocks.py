"""The blocks whose attention finds a named object: which blocks bind words to places depends on the base model."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...attention import AttentionError
from ...attention.selection import MIDDLE, Block, parse_blocks
from ..maps.capture import block_counts

CALIBRATIONS = Path(__file__).parent / "calibrations"
"""One JSON file per base model, as `styleroute calibrate` writes it.

`double` and `single` are the model's numbers of blocks, `blocks` are the chosen blocks, `measured` says whether they
were measured on that model, and `source` says where the choice comes from. `least_attention` is optional: an object
that gets less counts as absent. All other entries are for people.
"""


def least_attention(model: ModelPatcher) -> float:
    """The attention below which an object counts as absent from the image; 0 if nobody measured it for this model.

    See `attention.phrase_masks.attention_strength` for the unit.
    """
    fitting = [each for each in _calibrations(CALIBRATIONS) if _fits(each, block_counts(model))]
    return max((each.get("least_attention", 0.0) for each in fitting if each["measured"]), default=0.0)


def object_blocks(model: ModelPatcher) -> tuple[Block, ...]:
    """The blocks that find objects in `model`; the middle half of the blocks for a model without a calibration.

    Of two calibrations for the same numbers of blocks, a measured one wins.

    Raises:
        AttentionError: a calibration file cannot be used.
    """
    return calibrated_blocks(block_counts(model))


def calibrated_blocks(counts: Mapping[str, int], folder: Path = CALIBRATIONS) -> tuple[Block, ...]:
    """The blocks of the calibration for these numbers of "double" and "single" blocks; see `object_blocks`."""
    fitting = [each for each in _calibrations(folder) if _fits(each, counts)]
    best = max(fitting, key=lambda each: each["measured"], default={"blocks": MIDDLE})
    return parse_blocks(best["blocks"], counts)


def _fits(calibration: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    return all(calibration[kind] == counts[kind] for kind in ("double", "single"))


@cache
def _calibrations(folder: Path) -> tuple[Mapping[str, Any], ...]:
    return tuple(_read(file) for file in sorted(folder.glob("*.json")))


def _read(file: Path) -> Mapping[str, Any]:
    """A calibration.

    Raises:
        AttentionError: the file is no calibration.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        counts = {kind: int(content[kind]) for kind in ("double", "single")}
        parse_blocks(content["blocks"], counts)
        least = float(content.get("least_attention", 0.0))
        return {**content, **counts, "measured": bool(content["measured"]), "least_attention": least}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, AttentionError) as error:
        raise AttentionError(
            f"{file.name} in the folder {file.parent.name} is not a calibration ({error}), expected double, single, "
            "blocks and measured. Write it again with `styleroute calibrate`, or delete it."
        ) from error
