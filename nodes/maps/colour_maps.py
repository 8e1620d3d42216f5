"""Colour maps: turn heat into colours. Needs torch only."""

import torch
from torch import Tensor

COLOUR_MAPS = {
    "fire": ((0, 0, 0), (90, 0, 70), (190, 20, 50), (240, 110, 20), (255, 200, 50), (255, 255, 220)),
    "ice": ((0, 0, 20), (20, 40, 110), (30, 100, 180), (60, 170, 220), (150, 220, 240), (245, 255, 255)),
    "rainbow": ((40, 20, 120), (30, 110, 230), (20, 190, 180), (120, 220, 60), (250, 200, 30), (210, 30, 20)),
    "grey": ((0, 0, 0), (255, 255, 255)),
}
"""RGB colours (0 to 255) from cold to warm, evenly spaced."""


def colours(heat: Tensor, colour_map: str) -> Tensor:
    """Turns heat [..., H, W] in 0..1 into colours [..., H, W, 3] in 0..1."""
    stops = torch.tensor(COLOUR_MAPS[colour_map], dtype=heat.dtype, device=heat.device) / 255
    position = heat.clamp(0, 1) * (len(stops) - 1)
    below = position.floor().long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[below], stops[below + 1], (position - below)[..., None])
