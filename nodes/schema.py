"""Node schemas for all supported ComfyUI versions, and the pack's own types."""

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
    """An `io.Schema` in the pack's category. Fields that this ComfyUI version does not know are left out."""
    fields = {"category": CATEGORY} | fields
    return io.Schema(**{name: value for name, value in fields.items() if name in _SCHEMA_FIELDS})


def advanced() -> dict[str, Any]:
    """Keyword arguments that put an input into the "advanced" section, if this ComfyUI version has one."""
    return {"advanced": True} if _KNOWS_ADVANCED else {}


def model_input() -> io.Input:
    """The MODEL that a node clones and changes."""
    return io.Model.Input("model", tooltip="A FLUX.1 Kontext model. The node changes a copy of it.")


def style_input() -> io.Input:
    """The STYLE that the experts apply."""
    return StyleType.Input(
        "style",
        optional=True,
        tooltip="The style, from Encode Style. Leave it empty for a plain LoRA, which has one style only.",
    )


def strength_input(tooltip: str) -> io.Input:
    """The strength of a style, from -2 to 2; 1 is as trained."""
    return io.Float.Input("strength", default=1.0, min=-2.0, max=2.0, step=0.05, tooltip=tooltip)
