"""Differences between the node schemas of the supported ComfyUI versions, and the pack's own types."""

import dataclasses
import inspect
from typing import Any

from comfy_api.latest import io

CATEGORY = "StyleRoute"

StyleExpertType = io.Custom("STYLE_EXPERT")
StyleType = io.Custom("STYLE")
RoutingType = io.Custom("ROUTING")
AttentionMapsType = io.Custom("ATTENTION_MAPS")

_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}
_KNOWS_ADVANCED = "advanced" in inspect.signature(io.Input.__init__).parameters


def schema(**fields: Any) -> io.Schema:
    """An `io.Schema` in the pack's category, without the fields that this ComfyUI does not know yet."""
    fields = {"category": CATEGORY} | fields
    return io.Schema(**{name: value for name, value in fields.items() if name in _SCHEMA_FIELDS})


def advanced() -> dict[str, bool]:
    """Keyword that folds an input away under "advanced", where this ComfyUI can do so."""
    return {"advanced": True} if _KNOWS_ADVANCED else {}


def style_input() -> io.Input:
    """The STYLE to paint in."""
    return StyleType.Input(
        "style",
        optional=True,
        tooltip="The style, from Encode Style. Only a region LoRA does without: it has one style only.",
    )


def strength_input(tooltip: str) -> io.Input:
    """How much of a style: from twice away from it to twice as trained."""
    return io.Float.Input("strength", default=1.0, min=-2.0, max=2.0, step=0.05, tooltip=tooltip)
