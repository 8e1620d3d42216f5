"""The calibration file: the blocks that find objects in a base model, and the figures behind the choice.

The nodes read `double`, `single`, `blocks`, `measured` and `least_attention` (`nodes/branch/object_blocks.py`). The
other entries are for people.
"""

import json
import math
from pathlib import Path
from typing import Any

from ...storage.whole_file import whole_file
from ...training.bases import short_digest
from .calibrate import BASE, GROUNDED, Calibration
from .capturing import KINDS, Kind
from .scores import Figures, MeasuredMaps

ATTENTION = KINDS[0]
"""The kind of map that the nodes use."""
SOURCE = "Maps of the attention to an object's words against the object's true mask, on unseen photos and objects."
BY_BLOCK = "figures_by_block"
"""Entry with the figures of each block alone."""


def write_calibration(calibration: Calibration) -> Path:
    """Write the calibration file, completely or not at all."""
    path = calibration.config.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(as_text(as_json(calibration)), encoding="utf-8")
    return path


def as_text(content: dict[str, Any]) -> str:
    """JSON with one line per entry, and one line per block."""
    entries = []
    for name, value in content.items():
        text = json.dumps(value, ensure_ascii=False)
        if name == BY_BLOCK:
            rows = (f"    {json.dumps(block)}: {json.dumps(figures)}" for block, figures in value.items())
            text = "{\n" + ",\n".join(rows) + "\n  }"
        entries.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def as_json(calibration: Calibration) -> dict[str, Any]:
    """The content of the file."""
    config, base = calibration.config, calibration.measured[BASE]
    blocks = calibration.blocks[ATTENTION]
    result: dict[str, Any] = {
        **{kind: sum(block.startswith(kind) for block in base.blocks) for kind in ("double", "single")},
        "blocks": ", ".join(blocks),
        "measured": True,
        "least_attention": round(base.least_attention(ATTENTION, blocks, calibration.base.text_sizes[0]), 3),
        "source": SOURCE,
        "command": command(calibration),
        "base": calibration.base.name,
        "base_digest": short_digest(calibration.base.identity),
        "scenes": {f"with {count} object{'s' * (count > 1)}": number for count, number in calibration.counts.items()},
        "noise_levels": list(config.noise),
        "figures": _levels(base, ATTENTION, blocks),
    }
    if GROUNDED in calibration.measured and config.lora is not None:
        result["grounding_lora"] = config.lora.name
        result["figures_with_the_lora"] = _levels(calibration.measured[GROUNDED], ATTENTION, blocks)
    result[BY_BLOCK] = {block: _levels(base, ATTENTION, (block,)) for block in base.blocks}
    return result


def command(calibration: Calibration) -> str:
    """The command that measures the same again; a path is shortened to its file name, which is the same elsewhere."""
    config = calibration.config
    parts = ["styleroute calibrate", f"--base {config.base}", f"--scenes {config.scenes}", f"--seed {config.seed}"]
    parts.append("--noise " + " ".join(f"{level:g}" for level in config.noise))
    if config.data is None:
        parts.append(f"--size {config.size}")
    if config.lora is not None and config.strength != 1:
        parts.append(f"--strength {config.strength:g}")
    parts += [f"--{name} {path.name}" for name in ("lora", "data") if (path := getattr(config, name)) is not None]
    if config.blocks is not None:
        parts.append(f'--blocks "{config.blocks}"')
    return " ".join(parts)


def _levels(measured: MeasuredMaps, kind: Kind, blocks: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
    """The figures of some blocks by noise level."""
    return {f"{level:g}": _rounded(measured.figures(kind, blocks, level)) for level in measured.noise}


def _rounded(figures: Figures) -> dict[str, float | None]:
    """Figures with three digits. JSON has no NaN."""
    values = {"inside": figures.inside, "iou": figures.iou, "own_phrase": figures.own, "mask_iou": figures.mask}
    return {name: None if math.isnan(value) else round(value, 3) for name, value in values.items()}
