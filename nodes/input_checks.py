"""Checks a node's inputs against its schema. ComfyUI checks only typed values, and its limits let NaN pass."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ..errors import StyleRouteError
from ..moe import StyleExpert
from ..plain_text import quoted
from .images import rgb_image
from .maps.recorded_maps import RecordedMaps
from .styles.style_types import RoutingTable, Style

Refusal = type[StyleRouteError]
"""The error class of a node."""


@dataclass(frozen=True)
class WireType:
    """What a link of one type carries: its Python class, and the node that makes it."""

    carries: type
    source: str


WIRE_TYPES = {
    "STYLE_EXPERT": WireType(StyleExpert, "Load StyleExpert"),
    "STYLE": WireType(Style, "StyleRoute's Encode Style"),
    "ROUTING": WireType(RoutingTable, "MoE Apply"),
    "ATTENTION_MAPS": WireType(RecordedMaps, "RegionRoute Sampler or Capture Attention"),
    "MODEL": WireType(ModelPatcher, "Load Diffusion Model"),
    "CONDITIONING": WireType(list, "Region Style Prompt"),
    "LATENT": WireType(dict, "VAE Encode or an empty latent"),
    "IMAGE": WireType(Tensor, "Load Image"),
    "MASK": WireType(Tensor, "Load Image (as Mask)"),
    "STRING": WireType(str, "a text node"),
    "BOOLEAN": WireType(int, "a switch"),  # Python's True and False are numbers too, and a link may carry 0 or 1
}
"""By ComfyUI's type name. Another pack may use the same name for another class: only the class is certain."""


def checked_inputs(
    fields: Iterable[io.Input], values: Mapping[str, Any], refusal: Refusal, skipped: Collection[str] = ()
) -> dict[str, Any]:
    """The inputs of a node after the checks of their kind, class, limits and choices.

    Args:
        fields: the inputs of the node's schema.
        values: the values by name. A missing input keeps the default of `execute`.
        refusal: the error class to raise.
        skipped: names of choices (COMBO) that the node checks itself.

    Raises:
        StyleRouteError: a value does not fit. The message says what was found, and what was expected.
    """
    by_name = {field.id: field for field in fields}
    return {
        name: value if name not in by_name else _checked(by_name[name], value, refusal, name in skipped)
        for name, value in values.items()
    }


def require_number(
    name: str, value: Any, low: float | None, high: float | None, refusal: Refusal, whole: bool = False
) -> float | int:
    """A finite number from `low` to `high`. None means no limit.

    Raises:
        StyleRouteError: the value is not a number, not finite, out of range, or not whole although `whole` is set.
    """
    number = _number(value)
    if number is None or (whole and number != int(number)) or not _is_between(number, low, high):
        raise refusal(
            f"'{name}' is {quoted(value)}, expected a {'whole' if whole else 'finite'} number{_range(low, high)}. "
            f"Enter such a number, or check the node that is linked to '{name}'."
        )
    return int(number) if whole else float(number)


def _checked(field: io.Input, value: Any, refusal: Refusal, is_skipped: bool) -> Any:
    """The value of one input."""
    kind = str(field.io_type)
    if isinstance(field, (io.Float.Input, io.Int.Input)):
        return require_number(field.id, value, field.min, field.max, refusal, isinstance(field, io.Int.Input))
    if value is None and field.optional:
        return None
    if isinstance(field, io.Combo.Input):
        return _require_choice(field, value, refusal, is_skipped)
    if (wire := WIRE_TYPES.get(kind)) and not isinstance(value, wire.carries):
        raise refusal(
            f"'{field.id}' received {_described(value)}, expected a {kind} from {wire.source}. Connect that node: "
            "another pack may use the same type name for something else."
        )
    if isinstance(value, str):
        _require_encodable(field.id, value, refusal)
    return rgb_image(field.id, value, refusal) if isinstance(value, Tensor) and kind == "IMAGE" else value


def _require_encodable(name: str, text: str, refusal: Refusal) -> None:
    """A lone surrogate is no text: no tokenizer, file name or log can encode it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise refusal(
            f"'{name}' holds a lone surrogate, {quoted(text[error.start])}, which is half of a character. Enter the "
            "text again, or check the node that is linked to it."
        ) from None


def _require_choice(field: io.Combo.Input, value: Any, refusal: Refusal, is_any_text: bool) -> str:
    """One of the options of a COMBO; with `is_any_text`, any text."""
    options = [str(option) for option in field.options or ()]
    if isinstance(value, str) and (is_any_text or value in options):
        return value
    expected = "the name of a file" if is_any_text else f"one of {', '.join(map(quoted, options))}"
    raise refusal(f"'{field.id}' is {quoted(value)}, expected {expected}. Choose it in the list of the node.")


def _number(value: Any) -> float | int | None:
    """The value as a number of Python; None if it is no finite number."""
    if isinstance(value, int):
        return value  # exact: a seed has up to 64 bits, a float only 53
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def _is_between(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" from {low} to {high}"


def _described(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
