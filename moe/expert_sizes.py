"""The sizes of an expert file, read from its keys, shapes and header entry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import StyleExpertError
from .config import RELEASE_ALPHA, RELEASE_TOP_K, ExpertConfig
from .formats import LORA_PARTS, MOE_PARTS, SHARED_PARTS, FileKeys
from .header import Header
from .shapes import SizeBook, require_keys

FORMAT_VERSION = 1
OLD_KINDS = {"region-lora": "lora"}
"""Names that files of version 0.1.0 have for a kind."""
ENTRY = "styleroute"
"""The header entry of our own files."""


@dataclass(frozen=True)
class ExpertSizes:
    """What `read_expert_sizes` found: the configuration, and (out, in) of every layer."""

    config: ExpertConfig
    layer_shapes: dict[str, tuple[int, int]]


def read_entry(header: Header) -> dict[str, Any] | None:
    """Our own header entry; None if the file is not one of ours.

    Raises:
        StyleExpertError: the entry is unreadable, or of a newer format.
    """
    if ENTRY not in header.metadata:
        return None
    try:
        entry = json.loads(header.metadata[ENTRY])
    except (ValueError, RecursionError):
        entry = None
    readable = isinstance(entry, dict) and type(entry.get("format")) is int
    if not readable or not isinstance(entry.get("training"), dict | None):
        raise StyleExpertError(
            f"The header entry '{ENTRY}' of {header.path.name} is unreadable; save or download the file again."
        )
    if entry["format"] > FORMAT_VERSION:
        raise StyleExpertError(
            f"{header.path.name} is of format {entry['format']}, and this version reads up to {FORMAT_VERSION}; "
            "update StyleRoute."
        )
    return entry


def read_expert_sizes(header: Header, found: FileKeys, entry: Mapping[str, Any] | None) -> ExpertSizes:
    """Checks every expert key and shape of a file against each other and against our header entry.

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
    """The shared expert's parts, if any layer has one: then all must."""
    return SHARED_PARTS if any(SHARED_PARTS.keys() & keys.keys() for keys in found.layers.values()) else {}


def _require_parts(header: Header, found: FileKeys, parts: Mapping[str, object]) -> None:
    own = [key for keys in found.layers.values() for key in keys.values()]
    there = {f"{layer}.{part}" for layer, keys in found.layers.items() for part in keys}
    require_keys(header.path, [f"{layer}.{part}" for layer in found.layers for part in parts], dict.fromkeys(there))
    for key in (*own, *found.encoder.values()):
        if not header.tensors[key].is_float:
            raise StyleExpertError(
                f"{key} in {header.path.name} is made of whole numbers ({header.tensors[key].dtype}), expected "
                "floating point; take a file that is not quantized."
            )


def _moe_config(found: FileKeys, sizes: SizeBook) -> ExpertConfig:
    """Of a release file, which holds neither k nor alpha."""
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
    """Diffusers may write PEFT's own configuration into the header; without it, alpha is r."""
    try:
        adapter = json.loads(header.metadata.get("lora_adapter_metadata", "{}"))
        return float(next((adapter[key] for key in adapter if key.split(".")[-1] == "lora_alpha"), default))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StyleExpertError(
            f"The header entry 'lora_adapter_metadata' of {header.path.name} is unreadable; save the file again."
        ) from error


def _with_entry(header: Header, from_shapes: ExpertConfig, entry: Mapping[str, Any] | None) -> ExpertConfig:
    """`from_shapes` with what our header entry says on top; sizes that shapes tell must agree with it."""
    names = [field.name for field in fields(ExpertConfig)]
    if entry is None:
        return from_shapes
    if missing := [name for name in names if name not in entry]:
        raise StyleExpertError(f"The header entry of {header.path.name} lacks {', '.join(missing)}; save it again.")
    values = {name: entry[name] for name in names}
    config = ExpertConfig(**values | {"kind": _present_kind(values["kind"])})
    for name in ("kind", "num_experts", "rank", "shared_rank", "cond_dim"):
        said, found = getattr(config, name), getattr(from_shapes, name)
        if said != found:
            raise StyleExpertError(
                f"The header of {header.path.name} says {name} = {said}, but its tensors have {found}; "
                "the file is put together from different trainings: download or save it again."
            )
    return config


def _present_kind(kind: Any) -> Any:
    """The present name of a kind; what no file of ours ever held stays as it is, to be refused."""
    return OLD_KINDS.get(kind, kind) if isinstance(kind, str) else kind
