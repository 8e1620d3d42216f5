"""The blocks whose attention finds a named object: which blocks bind words to places depends on the base model."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...attention.selection import MIDDLE, Block, parse_blocks
from ..maps.capture import block_counts

CALIBRATIONS = Path(__file__).parent / "calibrations"
"""One JSON file per base model: its numbers of blocks, the chosen blocks, and where the choice comes from."""


def object_blocks(model: ModelPatcher) -> tuple[Block, ...]:
    """The blocks that find objects in `model`; the middle half of the blocks for a model without a calibration."""
    counts = block_counts(model)
    found = next((each for each in _calibrations() if _fits(each, counts)), {"blocks": MIDDLE})
    return parse_blocks(found["blocks"], counts)


def _fits(calibration: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    return all(calibration[kind] == counts[kind] for kind in ("double", "single"))


@cache
def _calibrations() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(file.read_text(encoding="utf-8")) for file in sorted(CALIBRATIONS.glob("*.json")))
