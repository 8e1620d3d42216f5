"""Writes expert and encoder files in StyleRoute's format."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..errors import StyleExpertError
from ..files import temporary_beside
from .config import EncoderConfig, ExpertConfig
from .encoder_sizes import read_encoder_config
from .expert import StyleExpert
from .expert_sizes import ENTRY, FORMAT_VERSION
from .lora import loadable_lora

ENCODER_PREFIX = "encoder."


def save_expert(
    path: str | os.PathLike[str],
    experts: Mapping[str, Tensor],
    config: ExpertConfig,
    encoder_state: Mapping[str, Tensor] | None,
    encoder_config: EncoderConfig | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write one file with experts, encoder and header entry. If this is interrupted, an old file stays unchanged.

    Args:
        path: the .safetensors file to write.
        experts: tensors by `<layer>.<part>`, with the parts of `formats.py`. A plain LoRA gets the keys that other
            programs read, see `loadable_lora`.
        config: configuration of the experts.
        encoder_state: state dict of the style encoder, keys without prefix; None for no encoder.
        encoder_config: configuration of the encoder; it stores the order of the taps and the vision model's name.
        training: training summary, made of plain JSON values.

    Raises:
        StyleExpertError: the path is no .safetensors file or cannot be written, or the tensors contradict `config`; an
            old file stays unchanged.
    """
    path = _require_name(path)
    if config.is_lora:
        experts = loadable_lora(experts, config.scale)
    encoder = {f"{ENCODER_PREFIX}{name}": weight for name, weight in (encoder_state or {}).items()}
    entry = {"format": FORMAT_VERSION, **asdict(config)}
    if encoder_config is not None:
        entry["encoder"] = asdict(encoder_config)
    if training is not None:
        entry["training"] = dict(training)
    tensors = {key: weight.detach().cpu().contiguous() for key, weight in {**experts, **encoder}.items()}
    write_atomically(path, tensors, {"format": "pt", ENTRY: json.dumps(entry)}, check=True)


def save_encoder(
    path: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    config: EncoderConfig,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a style encoder without experts, in the release's layout with StyleRoute's header entry.

    Args:
        path: the .safetensors file to write.
        state: state dict of the encoder.
        config: configuration of the encoder; it stores the order of the taps and the vision model's name.
        training: training summary, made of plain JSON values.

    Raises:
        StyleExpertError: the path is no .safetensors file or cannot be written, or the tensors contradict `config`; an
            old file stays unchanged.
    """
    path = _require_name(path)
    entry = json.loads(json.dumps({"format": FORMAT_VERSION, "encoder": asdict(config)}))
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    if read_encoder_config(path, shapes, entry["encoder"]) != config:
        raise StyleExpertError(
            f"The encoder's tensors do not have the sizes of its configuration, {config}. Give both of one encoder."
        )
    if training is not None:
        entry["training"] = dict(training)
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in state.items()}
    write_atomically(path, tensors, {"format": "pt", ENTRY: json.dumps(entry)}, check=False)


def write_atomically(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str], *, check: bool) -> None:
    """Write a temporary file beside `path`, then rename it; with `check`, only if it opens as an expert file.

    Raises:
        StyleExpertError: the disk is full or `path` cannot be written; an old file stays unchanged.
    """
    unfinished = None
    try:
        unfinished = temporary_beside(path)
        # safetensors gives read permission to the owner only, but ComfyUI may run as another user.
        unfinished.touch()
        readable = unfinished.stat().st_mode
        save_file(dict(tensors), str(unfinished), metadata=metadata)
        unfinished.chmod(readable)
        if check:
            _require_expert(unfinished, path)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        raise StyleExpertError(
            f"{path} could not be written ({error}), and an old file there stays unchanged. Free disk space, or give "
            "another path with write permission."
        ) from error
    finally:
        if unfinished is not None:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def _require_expert(unfinished: Path, path: Path) -> None:
    """Check that the temporary file for `path` opens as an expert file. The message names `path`."""
    try:
        StyleExpert.open(unfinished)
    except StyleExpertError as error:
        raise StyleExpertError(str(error).replace(unfinished.name, path.name)) from error


def _require_name(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise StyleExpertError(f"The target is named {path.name}, expected a name that ends in .safetensors.")
    return path
