"""Reads the sizes of an expert file from its keys, shapes and header entry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

from ..errors import StyleExpertError
from .config import RELEASE_ALPHA, RELEASE_TOP_K, ExpertConfig
from .formats import LORA_PARTS, MOE_PARTS, SHARED_PARTS, FileKeys
from .header import Header
from .shapes import SizeBook, require_keys

FORMAT_VERSION = 1
OLD_KINDS = {"region-lora": "lora"}
"""Kinds in files of version 0.1.0, with their present names."""
ENTRY = "styleroute"
"""Name of the header entry in StyleRoute files."""


@dataclass(frozen=True)
class ExpertSizes:
    """The result of `read_expert_sizes`: the configuration, and (out, in) of every layer."""

    config: ExpertConfig
    layer_shapes: dict[str, tuple[int, int]]


def read_entry(header: Header) -> dict[str, Any] | None:
    """Read the header entry of a StyleRoute file; None for other files.

    Raises:
        StyleExpertError: the entry is unreadable, or has a newer format.
    """
    if ENTRY not in header.metadata:
        return None
    try:
        entry = json.loads(header.metadata[ENTRY])
    except (ValueError, RecursionError):
        entry = None
    if not _is_readable(entry):
        raise StyleExpertError(
            f"The header entry '{ENTRY}' of {header.path.name} is unreadable. Save or download the file again."
        )
    if entry["format"] > FORMAT_VERSION:
        raise StyleExpertError(
            f"{header.path.name} has format {entry['format']}, expected {FORMAT_VERSION} or lower. Update StyleRoute."
        )
    return entry


def _is_readable(entry: Any) -> TypeGuard[dict[str, Any]]:
    if not isinstance(entry, dict) or type(entry.get("format")) is not int:
        return False
    return isinstance(entry.get("training"), dict | None)


def read_expert_sizes(header: Header, found: FileKeys, entry: Mapping[str, Any] | None) -> ExpertSizes:
    """Read the sizes from all expert keys and shapes, and check them against each other and the header entry.

    Raises:
        StyleExpertError: keys are missing, or shapes contradict each other or the entry.
    """
    parts = LORA_PARTS if found.kind == "lora" else MOE_PARTS | _shared_parts(found)
    shapes = header.shapes
    _require_parts(header, found, parts)
    sizes, layer_shapes = SizeBook(header.path), {}
    for layer, keys in found.layers.items():
        sizes.forget("in", "out")
        for part, symbolic in parts.items():
            sizes.learn(keys[part], symbolic, shapes[keys[part]])
        layer_shapes[layer] = (sizes["out"], sizes["in"])
    config = _lora_config(header, sizes) if found.kind == "lora" else _moe_config(found, sizes)
    return ExpertSizes(_with_entry(header, config, entry), layer_shapes)


def _shared_parts(found: FileKeys) -> dict[str, tuple[int | str, ...]]:
    """Parts of the shared expert if any layer has one, as then all layers must have one; else no parts."""
    return SHARED_PARTS if any(SHARED_PARTS.keys() & keys.keys() for keys in found.layers.values()) else {}


def _require_parts(header: Header, found: FileKeys, parts: Mapping[str, object]) -> None:
    own = [key for keys in found.layers.values() for key in keys.values()]
    there = {f"{layer}.{part}" for layer, keys in found.layers.items() for part in keys}
    require_keys(header.path, [f"{layer}.{part}" for layer in found.layers for part in parts], dict.fromkeys(there))
    for key in (*own, *found.encoder.values()):
        if not header.tensors[key].is_float:
            raise StyleExpertError(
                f"{key} in {header.path.name} holds integers ({header.tensors[key].dtype}), expected floating point. "
                "Choose a file that is not quantized."
            )


def _moe_config(found: FileKeys, sizes: SizeBook) -> ExpertConfig:
    """The configuration of a release file, which stores neither k nor alpha."""
    return ExpertConfig(
        kind="style-moe",
        num_experts=sizes["E"],
        rank=sizes["r"],
        shared_rank=sizes["r_s"] if _shared_parts(found) else 0,
        top_k=min(RELEASE_TOP_K, sizes["E"]),
        alpha=float(RELEASE_ALPHA),
        cond_dim=sizes["cond_dim"],
        routing="release-1",
    )


def _lora_config(header: Header, sizes: SizeBook) -> ExpertConfig:
    return ExpertConfig.plain_lora(sizes["r"], alpha=_lora_alpha(header, default=float(sizes["r"])))


def _lora_alpha(header: Header, default: float) -> float:
    """Alpha from PEFT's configuration, which diffusers may write into the header; without it, `default`."""
    try:
        adapter = json.loads(header.metadata.get("lora_adapter_metadata", "{}"))
        return float(next((adapter[key] for key in adapter if key.split(".")[-1] == "lora_alpha"), default))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StyleExpertError(
            f"The header entry 'lora_adapter_metadata' of {header.path.name} is unreadable. Save the file again."
        ) from error


def _with_entry(header: Header, from_shapes: ExpertConfig, entry: Mapping[str, Any] | None) -> ExpertConfig:
    """The header entry's configuration, after checking it against `from_shapes`; without an entry, `from_shapes`."""
    names = [field.name for field in fields(ExpertConfig)]
    if entry is None:
        return from_shapes
    if missing := [name for name in names if name not in entry]:
        raise StyleExpertError(f"The header entry of {header.path.name} lacks {', '.join(missing)}. Save it again.")
    values = {name: entry[name] for name in names}
    config = ExpertConfig(**values | {"kind": _present_kind(values["kind"])})
    for name in ("kind", "num_experts", "rank", "shared_rank", "cond_dim"):
        named, found = getattr(config, name), getattr(from_shapes, name)
        if named != found:
            raise StyleExpertError(
                f"The header of {header.path.name} says {name} = {named}, but its tensors have {found}. "
                "Download or save the file again: it mixes different trainings."
            )
    return config


def _present_kind(kind: Any) -> Any:
    """The present name of an old kind; any other value is returned unchanged, and is checked later."""
    return OLD_KINDS.get(kind, kind) if isinstance(kind, str) else kind
