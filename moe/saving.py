"""Writing expert and encoder files of our own."""

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
from .config import EncoderConfig, ExpertConfig
from .encoder_sizes import read_encoder_config
from .expert import StyleExpert
from .expert_sizes import ENTRY, FORMAT_VERSION

ENCODER_PREFIX = "encoder."


def save_expert(
    path: str | os.PathLike[str],
    experts: Mapping[str, Tensor],
    config: ExpertConfig,
    encoder_state: Mapping[str, Tensor] | None,
    encoder_config: EncoderConfig | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Writes one file with experts, encoder and header entry; an interrupted run leaves the old file as it was.

    Args:
        path: the .safetensors to write.
        experts: tensors by `<layer>.<part>`, with the parts of `formats.py`.
        config: what they are.
        encoder_state: the style encoder's state dict, keys without prefix; None for none.
        encoder_config: its configuration; keeps the order of the taps and the name of the vision model.
        training: summary of the training, of plain JSON values.

    Raises:
        StyleExpertError: the path is no .safetensors or cannot be written, or the tensors contradict `config`; what was
            there before stays.
    """
    path = _require_name(path)
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
    """Writes a style encoder alone, in the release's layout with our header entry.

    Args:
        path: the .safetensors to write.
        state: the encoder's state dict.
        config: its configuration; keeps the order of the taps and the name of the vision model.
        training: summary of the training, of plain JSON values.

    Raises:
        StyleExpertError: the path is no .safetensors or cannot be written, or the tensors contradict `config`; what was
            there before stays.
    """
    path = _require_name(path)
    entry = json.loads(json.dumps({"format": FORMAT_VERSION, "encoder": asdict(config)}))
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    if read_encoder_config(path, shapes, entry["encoder"]) != config:
        raise StyleExpertError(
            f"The encoder's tensors are not of the sizes of its configuration, {config}; save both of one encoder."
        )
    if training is not None:
        entry["training"] = dict(training)
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in state.items()}
    write_atomically(path, tensors, {"format": "pt", ENTRY: json.dumps(entry)}, check=False)


def write_atomically(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str], *, check: bool) -> None:
    """Writes beside `path` first, then moves; with `check`, only if the result opens as an expert file.

    Raises:
        StyleExpertError: the disk is full or `path` cannot be written; what was there before stays.
    """
    unfinished = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # safetensors lets the owner alone read what it writes; a ComfyUI may run as somebody else.
        unfinished.touch()
        readable = unfinished.stat().st_mode
        save_file(dict(tensors), str(unfinished), metadata=metadata)
        unfinished.chmod(readable)
        if check:
            StyleExpert.open(unfinished)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        raise StyleExpertError(
            f"{path} could not be written ({error}), and what was there before stays; make room on its disk, or give "
            "another path that may be written to."
        ) from error
    finally:
        # Where the folder is none, there is nothing to take away either.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _require_name(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise StyleExpertError(f"{path.name} is no .safetensors file name; give the target that ending.")
    return path
