"""RegionRoute's attention: token spans of a phrase, exact attention maps, heat maps, masks, Focus and Cover loss.

This folder imports only torch and errors.py.
"""

from ..errors import AttentionError
from .columns import Columns
from .heat import confidence, contrast, heat_map, soft_mask
from .localisation import map_iou, pointing, share_inside
from .losses import PRESETS, AttentionLosses, cover_loss, focus_loss
from .maps import MEAN, MEAN_STEP, AttentionMaps, MapCollector
from .phrases import Phrases, parse_instruction
from .resizing import resize
from .span_attention import attend_at_once, attend_with_maps, span_attention
from .spans import find_span

__all__ = [
    "MEAN",
    "MEAN_STEP",
    "PRESETS",
    "AttentionError",
    "AttentionLosses",
    "AttentionMaps",
    "Columns",
    "MapCollector",
    "Phrases",
    "attend_at_once",
    "attend_with_maps",
    "confidence",
    "contrast",
    "cover_loss",
    "find_span",
    "focus_loss",
    "heat_map",
    "map_iou",
    "parse_instruction",
    "pointing",
    "resize",
    "share_inside",
    "soft_mask",
    "span_attention",
]
