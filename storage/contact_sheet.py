"""Images side by side in one file, for eyes to judge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .whole_file import whole_file


def write_sheet(rows: Sequence[Sequence[np.ndarray]], path: Path) -> Path:
    """Write rows of images [S, S, 3] in 0..1, all of one size, as one PNG."""
    pixels = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    with whole_file(path) as partial:
        Image.fromarray((pixels * 255).round().astype(np.uint8)).save(partial, format="PNG")
    return path
