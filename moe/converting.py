"""Converts published files to the safetensors files that the nodes read."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import StyleExpertError
from .encoder_sizes import read_encoder_config
from .expert_sizes import ExpertSizes, read_entry, read_expert_sizes
from .formats import foreign_kind, require_expert_keys, sort_keys
from .header import Header, TensorEntry, read_header
from .lora import alpha_tensors
from .lora_scales import alpha_keys
from .saving import save_expert, write_atomically

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}


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
    state = _read_state(source)
    found = sort_keys(state)
    if found.kind is None or found.other:
        raise StyleExpertError(
            f"{source.name} is {foreign_kind(found.other)}, expected experts, a plain LoRA or a style encoder. "
            "Choose a file of one of these kinds."
        )
    if found.kind == "style-encoder":
        _convert_encoder(source, target, encoder, {name: state[key] for name, key in found.encoder.items()})
    else:
        _convert_experts(source, target, encoder, state)
    return target


def _convert_encoder(source: Path, target: Path, encoder: Path | None, state: dict[str, Tensor]) -> None:
    if encoder is not None:
        raise StyleExpertError(
            f"{source.name} is a style encoder, expected an expert file as SOURCE. Give the encoder with --encoder."
        )
    read_encoder_config(source, _shapes(state))
    write_atomically(target, state, {"format": "pt"}, check=False)


def _convert_experts(source: Path, target: Path, encoder: Path | None, state: Mapping[str, Tensor]) -> None:
    found = sort_keys(state)
    experts = {f"{layer}.{part}": state[key] for layer, parts in found.layers.items() for part, key in parts.items()}
    entry = _entry(source)
    encoder_state, encoder_entry = {name: state[key] for name, key in found.encoder.items()}, entry.get("encoder")
    if encoder is not None:
        encoder_state, encoder_entry = _read_encoder(Path(encoder)), _entry(Path(encoder)).get("encoder")
    sizes = _sizes(source, state, entry)
    encoder_config = (
        read_encoder_config(encoder or source, _shapes(encoder_state), encoder_entry) if encoder_state else None
    )
    experts |= alpha_tensors(sizes.lora_scales, sizes.layer_ranks)
    save_expert(target, experts, sizes.config, encoder_state or None, encoder_config, entry.get("training"))


def _sizes(source: Path, state: Mapping[str, Tensor], entry: Mapping[str, Any]) -> ExpertSizes:
    """The sizes and scales of the experts in `source`, checked as `StyleExpert.open` checks them."""
    metadata = {} if source.suffix in PICKLES else read_header(source).metadata
    tensors = {key: TensorEntry(_dtype(weight), tuple(weight.shape), weight.nbytes) for key, weight in state.items()}
    header, found = Header(source, metadata, tensors, num_bytes=0), sort_keys(state)
    require_expert_keys(source, found)
    alphas = {layer: float(state[key]) for layer, key in alpha_keys(header, found).items()}
    return read_expert_sizes(header, found, entry or None, alphas)


def _dtype(weight: Tensor) -> str:
    """The dtype in safetensors' notation if the tensor can hold weights; else torch's name."""
    return _DTYPES.get(weight.dtype, str(weight.dtype))


def _read_encoder(path: Path) -> dict[str, Tensor]:
    state = _read_state(path)
    found = sort_keys(state)
    if not found.encoder:
        raise StyleExpertError(
            f"{path.name} holds no style encoder (keys such as embedding_linears.-2.0.weight). Give the "
            "encoder file of the release."
        )
    return {name: state[key] for name, key in found.encoder.items()}


def _read_state(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a safetensors or PyTorch file."""
    if path.suffix not in PICKLES:
        read_header(path)
        return load_file(str(path))
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise StyleExpertError(
            f"{path.name} holds more than weights, or is no PyTorch file, so it is not unpickled for safety. Ask its "
            "author for a safetensors file or a plain state dict."
        ) from error
    # Arbitrary bytes make the unpickler raise arbitrary errors.
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise StyleExpertError(
            f"{path.name} cannot be read as a PyTorch file ({type(error).__name__}: {reason}). Download it again."
        ) from error
    return _state_dict(path, loaded)


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    """The state dict in the unpickled object; trainers often nest it one level down."""
    for name in ("state_dict", "model", "module"):
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise StyleExpertError(f"{path.name} holds no state dict of tensors. Save the model's state_dict() instead.")
    # Tensors of a pickle may share memory, which safetensors refuses, so they are cloned.
    return {str(key): weight.clone(memory_format=torch.contiguous_format) for key, weight in loaded.items()}


def _entry(path: Path) -> dict[str, Any]:
    return {} if path.suffix in PICKLES else read_entry(read_header(path)) or {}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in state.items()}


def _require_target(target: Path, source: Path, encoder: Path | None) -> None:
    if target.suffix != ".safetensors":
        raise StyleExpertError(f"The target is named {target.name}, expected a name that ends in .safetensors.")
    if target.resolve() in {Path(path).resolve() for path in (source, encoder) if path is not None}:
        raise StyleExpertError(f"The target {target.name} is also an input file. Give the target another name.")
    if not target.parent.is_dir():
        raise StyleExpertError(f"The folder {target.parent} does not exist. Create it first.")
