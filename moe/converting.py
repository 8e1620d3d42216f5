"""Converts published files to the safetensors files that the nodes read."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import StyleExpertError
from .encoder_sizes import read_encoder_config
from .expert_sizes import ExpertSizes, read_entry, read_expert_sizes
from .formats import FileKeys, foreign_kind, require_expert_keys, sort_keys
from .lora import alpha_tensors
from .lora_scales import alpha_keys
from .saving import save_encoder, save_expert, write_atomically
from .source_file import SourceFile, open_source, shapes


def convert(source: Path, target: Path, encoder: Path | None = None) -> Path:
    """Write `target`, a .safetensors file, from one file or from a release's pair of files.

    Args:
        source: experts, a plain LoRA or a style encoder, as .safetensors or .pt. From a .pt file, only tensors are
            unpickled, and no code runs.
        target: the file to write. Experts become a StyleRoute file, whose header names the release's arithmetic;
            an encoder without experts keeps the release's layout.
        encoder: the style encoder that belongs to the experts in `source`.

    Returns:
        `target`.

    Raises:
        StyleExpertError: a file cannot be read, is of another kind, or does not fit the other one; nothing is written.
    """
    source, target = Path(source), Path(target)
    _require_target(target, source, encoder)
    file = open_source(source)
    # The keys show the kind, so a foreign file is refused before any tensor is read.
    found = sort_keys(file.header.tensors)
    if found.kind is None or found.other:
        raise StyleExpertError(
            f"{source.name} is {foreign_kind(found.other)}, expected experts, a plain LoRA or a style encoder. "
            "Choose a file of one of these kinds."
        )
    encoder_file = None if encoder is None else open_source(Path(encoder))
    if found.kind == "style-encoder":
        _convert_encoder(file, found, target, encoder_file)
    else:
        _convert_experts(file, found, target, encoder_file)
    return target


def _convert_encoder(file: SourceFile, found: FileKeys, target: Path, encoder_file: SourceFile | None) -> None:
    if encoder_file is not None:
        raise StyleExpertError(
            f"{file.path.name} is a style encoder, expected an expert file as SOURCE. Give the encoder with --encoder."
        )
    state = _renamed(file, found.encoder)
    entry = _entry(file)
    config = read_encoder_config(file.path, shapes(state), entry.get("encoder"))
    if entry:  # only the entry holds the order of the taps and the vision model
        save_encoder(target, state, config, entry.get("training"))
    else:
        write_atomically(target, state, {"format": "pt"}, check=False)


def _convert_experts(file: SourceFile, found: FileKeys, target: Path, encoder_file: SourceFile | None) -> None:
    keys = {f"{layer}.{part}": key for layer, parts in found.layers.items() for part, key in parts.items()}
    experts, entry = _renamed(file, keys), _entry(file)
    sizes = _sizes(file, found, entry)
    encoder_keys = _encoder_keys(encoder_file) if encoder_file else found.encoder
    encoder_state = _renamed(encoder_file or file, encoder_keys)
    encoder_config = None
    if encoder_state:
        encoder_entry = _entry(encoder_file or file).get("encoder")
        encoder_config = read_encoder_config((encoder_file or file).path, shapes(encoder_state), encoder_entry)
    experts |= alpha_tensors(sizes.lora_scales, sizes.layer_ranks)
    save_expert(target, experts, sizes.config, encoder_state or None, encoder_config, entry.get("training"))


def _sizes(file: SourceFile, found: FileKeys, entry: Mapping[str, Any]) -> ExpertSizes:
    """The sizes and scales of the experts, checked as `StyleExpert.open` checks them."""
    require_expert_keys(file.path, found)
    alphas = {layer: float(weight) for layer, weight in _renamed(file, alpha_keys(file.header, found)).items()}
    return read_expert_sizes(file.header, found, entry or None, alphas)


def _encoder_keys(file: SourceFile) -> dict[str, str]:
    if keys := sort_keys(file.header.tensors).encoder:
        return keys
    raise StyleExpertError(
        f"{file.path.name} holds no style encoder (keys such as embedding_linears.-2.0.weight). Give the "
        "encoder file of the release."
    )


def _renamed(file: SourceFile, keys: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors of the file by their new names.

    Args:
        file: the file.
        keys: new name -> key in the file.
    """
    state = file.read(keys.values())
    return {name: state[key] for name, key in keys.items()}


def _entry(file: SourceFile) -> dict[str, Any]:
    return read_entry(file.header) or {}


def _require_target(target: Path, source: Path, encoder: Path | None) -> None:
    if target.suffix != ".safetensors":
        raise StyleExpertError(f"The target is named {target.name}, expected a name that ends in .safetensors.")
    if any(_is_same(target, Path(path)) for path in (source, encoder) if path is not None):
        raise StyleExpertError(f"The target {target.name} is also an input file. Give the target another name.")
    if not os.path.isdir(target.parent):
        raise StyleExpertError(f"The folder {target.parent} does not exist. Create it first.")


def _is_same(target: Path, source: Path) -> bool:
    """Whether two paths lead to one file. A path that cannot exist, or whose links form a loop, leads to none."""
    try:
        return os.path.samefile(target, source)
    except (OSError, ValueError):
        return False
