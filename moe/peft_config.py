"""Reads PEFT's configuration of a LoRA: from the file's header, as diffusers writes it, or from the file beside it."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StyleExpertError
from ..plain_text import quoted, short
from .header import Header

METADATA_ENTRY = "lora_adapter_metadata"
"""Name of diffusers' header entry."""
CONFIG_FILE = "adapter_config.json"
"""Name of PEFT's file, in the folder of the weights."""
PEFT_PREFIX = "base_model.model."
"""Start of every key in a file that PEFT itself writes."""
MAX_CONFIG_BYTES = 2**20

DEFAULT_ALPHA = 8.0
"""PEFT's alpha if the configuration has none."""
HARMLESS = frozenset(
    ("alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config", "eva_config",
     "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern",
     "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "lora_ga_config", "megatron_core",
     "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config",
     "target_modules", "task_type", "use_rslora")
)  # fmt: skip
"""Options that this module reads, or that change the training only. Every other option must be off."""
PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""Initial values of a LoRA for which PEFT leaves the base model's weights unchanged."""

MAX_PATTERN_LENGTH = 200
MAX_COST = 200_000
"""Upper limit for the steps that all patterns may need for one layer: a hostile pattern could take hours to match."""
NAME_LENGTH = 60
"""Length of the longest layer names of FLUX.1, in characters."""

Patterns = tuple[tuple[re.Pattern[str], float], ...]
"""(pattern of a layer's name, value), in PEFT's order."""
_REPEAT = re.compile(r"(?<!\\)[*+{]|(?<![\\(])\?")
_REPEATED_GROUP = re.compile(r"\)[*+{]")


@dataclass(frozen=True)
class PeftConfig:
    """The options of PEFT's `LoraConfig` that change a LoRA's result.

    Attributes:
        source: where the configuration stands, for messages.
        alpha: numerator of the scale.
        rank: r of the layers without a pattern; None if it is not given.
        use_rslora: whether the scale is alpha / sqrt(r), and not alpha / r.
        alpha_pattern, rank_pattern: other values for layers, by regular expression.
        base: name of the base model; None if it is not given.
    """

    source: str
    alpha: float
    rank: int | None
    use_rslora: bool
    alpha_pattern: Patterns
    rank_pattern: Patterns
    base: str | None

    def scale(self, layer: str, rank: int) -> float:
        """Factor of B @ A in a layer whose tensors have this rank."""
        own = _first_match(self.alpha_pattern, layer)
        return (self.alpha if own is None else own) / (math.sqrt(rank) if self.use_rslora else rank)

    def rank_of(self, layer: str) -> float | None:
        """The rank that the configuration gives a layer; None if it gives none."""
        own = _first_match(self.rank_pattern, layer)
        return self.rank if own is None else own


def read_peft_config(header: Header) -> PeftConfig | None:
    """The configuration that belongs to a LoRA; None if there is none.

    Raises:
        StyleExpertError: the configuration is unreadable, or has options that a plain LoRA cannot express.
    """
    if METADATA_ENTRY in header.metadata:
        source, text = f"The header entry '{METADATA_ENTRY}' of {header.path.name}", header.metadata[METADATA_ENTRY]
    else:
        source, text = f"{CONFIG_FILE} beside {header.path.name}", _text_beside(header)
    options = _options(source, text)
    if not options:
        return None
    _require_plain(source, options)
    try:
        return _parse(source, options)
    except StyleExpertError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, re.error) as error:
        raise _unreadable(source) from error


def _text_beside(header: Header) -> str:
    """PEFT's configuration in the folder of a file that PEFT wrote; "{}" without one.

    Files of other programs may lie in the same folder. Their keys lack PEFT's prefix.
    """
    path = Path(header.path).with_name(CONFIG_FILE)
    if not all(key.startswith(PEFT_PREFIX) for key in header.tensors) or not path.is_file():
        return "{}"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
        return text.decode("utf-8") if len(text) <= MAX_CONFIG_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"{CONFIG_FILE} beside {header.path.name}") from error


def _options(source: str, text: str) -> dict[str, Any]:
    """The options of the transformer, without their prefix; diffusers may store those of text encoders, too."""
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(source) from error
    if not isinstance(stored, dict):
        raise _unreadable(source)
    own = {key.removeprefix("transformer."): value for key, value in stored.items() if key.startswith("transformer.")}
    return own or {key: value for key, value in stored.items() if "." not in key}


def _require_plain(source: str, options: Mapping[str, Any]) -> None:
    """Refuses options that change the result in a way which one pair of matrices per layer cannot express."""
    foreign = sorted(name for name, value in options.items() if name not in HARMLESS and value)
    if options.get("init_lora_weights") not in PLAIN_STARTS:
        foreign.append("init_lora_weights")
    if options.get("bias") not in (None, "none"):
        foreign.append("bias")
    if str(options.get("peft_type") or "LORA").split(".")[-1] != "LORA":
        foreign.append("peft_type")
    if foreign:
        named = ", ".join(f"{short(name)} = {quoted(options[name])}" for name in foreign[:3])
        raise StyleExpertError(
            f"{source} sets {named}, expected a plain LoRA without this. Merge the LoRA with the program that trained "
            "it, or train it without this option."
        )


def _parse(source: str, options: Mapping[str, Any]) -> PeftConfig:
    rank, base = options.get("r"), options.get("base_model_name_or_path")
    use_rslora = options.get("use_rslora") or False
    if type(use_rslora) is not bool or not isinstance(base, str | None) or not (rank is None or type(rank) is int):
        raise _unreadable(source)
    alpha_pattern, rank_pattern = (options.get(f"{name}_pattern") or {} for name in ("alpha", "rank"))
    return PeftConfig(
        source=source,
        alpha=_number(source, options.get("lora_alpha", DEFAULT_ALPHA)),
        rank=rank,
        use_rslora=use_rslora,
        alpha_pattern=_patterns(source, alpha_pattern),
        rank_pattern=_patterns(source, rank_pattern),
        base=base,
    )


def _number(source: str, value: Any) -> float:
    """A finite number. JSON in Python also reads NaN and Infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _unreadable(source)
    return float(value)


def _patterns(source: str, stored: Mapping[str, Any]) -> Patterns:
    """Compile PEFT's patterns, which match the end of a layer's name.

    Raises:
        StyleExpertError: the patterns may take too long to match.
    """
    if sum(map(_cost, stored)) > MAX_COST:
        raise StyleExpertError(
            f"{source} has {len(stored)} patterns for layers, such as {quoted(max(stored, key=_cost))}, which take too "
            "long to match. Save the LoRA with the names of the layers in place of the patterns."
        )
    return tuple((re.compile(rf"(.*\.)?({pattern})$"), _number(source, value)) for pattern, value in stored.items())


def _cost(pattern: str) -> float:
    """An upper limit for the steps of matching a pattern with one layer's name."""
    if len(pattern) > MAX_PATTERN_LENGTH or _REPEATED_GROUP.search(pattern):
        return math.inf
    repeats, groups, choices = len(_REPEAT.findall(pattern)), pattern.count("("), 1 + pattern.count("|")
    return float(NAME_LENGTH) ** repeats * float(choices) ** groups


def _first_match(patterns: Patterns, layer: str) -> float | None:
    """The value of the first pattern that matches, as in PEFT; None without a match."""
    return next((value for pattern, value in patterns if pattern.match(layer)), None)


def _unreadable(source: str) -> StyleExpertError:
    return StyleExpertError(f"{source} is unreadable. Save the file again.")
