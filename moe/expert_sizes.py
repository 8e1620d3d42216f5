"""Reads the sizes of an expert file from its keys, shapes and header entry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeGuard

from ..errors import StyleExpertError
from ..flux.base_models import other_family
from ..plain_text import short
from .config import RELEASE_ALPHA, RELEASE_TOP_K, ExpertConfig
from .formats import LORA_PARTS, MOE_PARTS, SHARED_PARTS, FileKeys
from .header import Header
from .lora_scales import lora_scales
from .peft_config import PeftConfig, read_peft_config
from .shapes import SizeBook, require_keys

FORMAT_VERSION = 1
OLD_KINDS = {"region-lora": "lora"}
"""Kinds in files of version 0.1.0, with their present names."""
ENTRY = "styleroute"
"""Name of the header entry in StyleRoute files."""


@dataclass(frozen=True)
class ExpertSizes:
    """The result of `read_expert_sizes`.

    Attributes:
        config: the configuration.
        layer_shapes: (out, in) of every layer.
        layer_ranks: rank r of every layer.
        lora_scales: factor of B @ A in every layer of a plain LoRA; empty for routed experts.
    """

    config: ExpertConfig
    layer_shapes: dict[str, tuple[int, int]]
    layer_ranks: dict[str, int]
    lora_scales: dict[str, float]


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


def read_expert_sizes(
    header: Header, found: FileKeys, entry: Mapping[str, Any] | None, alphas: Mapping[str, float]
) -> ExpertSizes:
    """Read the sizes from all expert keys and shapes, and check them against each other and the header entry.

    Args:
        header: the file's header.
        found: the file's keys.
        entry: our header entry, if there is one.
        alphas: by layer, the tensors `alpha` of a plain LoRA.

    Raises:
        StyleExpertError: keys are missing, or shapes contradict each other, the entry or PEFT's configuration.
    """
    parts = LORA_PARTS if found.kind == "lora" else MOE_PARTS | _shared_parts(found)
    _require_parts(header, found, parts)
    shapes, sizes = header.shapes, SizeBook(header.path)
    layer_shapes, ranks, shared_ranks = {}, {}, {}
    for layer, keys in found.layers.items():
        sizes.forget("in", "out", "r", "r_s")
        for part, symbolic in parts.items():
            sizes.learn(keys[part], symbolic, shapes[keys[part]])
        layer_shapes[layer], ranks[layer] = (sizes["out"], sizes["in"]), sizes["r"]
        shared_ranks[layer] = sizes.get("r_s", 0)
    if found.kind == "lora":
        config, scales = _lora_config(header, ranks, alphas, entry)
    else:
        config, scales = _moe_config(sizes, max(ranks.values()), max(shared_ranks.values())), {}
        config = config if entry is None else _with_entry(header, config, entry)
    return ExpertSizes(config, layer_shapes, ranks, scales)


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
                f"{short(key)} in {header.path.name} holds {header.tensors[key].dtype} numbers, expected floating "
                "point. Choose a file that is not quantized."
            )


def _moe_config(sizes: SizeBook, rank: int, shared_rank: int) -> ExpertConfig:
    """The configuration of a release file, which stores neither k nor alpha."""
    return ExpertConfig(
        kind="style-moe",
        num_experts=sizes["E"],
        rank=rank,
        shared_rank=shared_rank,
        top_k=min(RELEASE_TOP_K, sizes["E"]),
        alpha=float(RELEASE_ALPHA),
        cond_dim=sizes["cond_dim"],
        routing="release-1",
    )


def _lora_config(
    header: Header, ranks: Mapping[str, int], alphas: Mapping[str, float], entry: Mapping[str, Any] | None
) -> tuple[ExpertConfig, dict[str, float]]:
    """The configuration of a plain LoRA, and the scale of each layer. alpha / r is the scale at the largest rank."""
    largest = max(ranks, key=ranks.__getitem__)
    peft = read_peft_config(header)
    config = ExpertConfig.plain_lora(ranks[largest])
    own = None if entry is None else _with_entry(header, config, entry)
    scales = lora_scales(header.path, ranks, alphas, peft, own)
    return replace(own or _for_base(config, peft), alpha=scales[largest] * ranks[largest]), scales


def _for_base(config: ExpertConfig, peft: PeftConfig | None) -> ExpertConfig:
    """The configuration with the base model that PEFT names, if that is another family than FLUX.1."""
    named = peft and peft.base
    return replace(config, base=named) if named and other_family(named) else config


def _with_entry(header: Header, from_shapes: ExpertConfig, entry: Mapping[str, Any]) -> ExpertConfig:
    """The header entry's configuration, after checking it against `from_shapes`."""
    names = [field.name for field in fields(ExpertConfig)]
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
