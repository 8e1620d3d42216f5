"""Writes a Flux in each form of weight storage, and loads it as users load it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import comfy.sd
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from safetensors.torch import save_file
from torch import Tensor

import nodes

from .q4_k import BLOCK, quantize_q4_k

State = dict[str, Tensor]
E4M3 = torch.float8_e4m3fn
GGUF_LOADER = "UnetLoaderGGUF"
"""ComfyUI-GGUF's node."""


@dataclass(frozen=True)
class StoredForm:
    """One form of weight storage.

    Attributes:
        write: writes a state dict into a file without suffix, and returns the file.
        dtype: the dtype in which ComfyUI keeps the weights; None for the dtypes of the file.
        is_gguf: whether ComfyUI-GGUF's node loads the file.
    """

    write: Callable[[State, Path], Path]
    dtype: torch.dtype | None = None
    is_gguf: bool = False

    def load(self, file: Path) -> ModelPatcher:
        """Loads a file of `models/diffusion_models`, as Load Diffusion Model or ComfyUI-GGUF's node does."""
        if self.is_gguf:
            return nodes.NODE_CLASS_MAPPINGS[GGUF_LOADER]().load_unet(file.name)[0]
        # Load Diffusion Model offers 8-bit dtypes only: ComfyUI chooses between the others by the graphics card.
        return comfy.sd.load_diffusion_model(str(file), {"dtype": self.dtype} if self.dtype else {})


def stored(form: StoredForm, state: State, name: str) -> ModelPatcher:
    """A model that was written in a form and loaded from its file, which is deleted again."""
    folder = Path(folder_paths.get_folder_paths("diffusion_models")[0])
    folder.mkdir(parents=True, exist_ok=True)
    file = form.write(state, folder / name)
    try:
        return form.load(file)
    finally:
        file.unlink()


def _write_as(dtype: torch.dtype) -> Callable[[State, Path], Path]:
    def write(state: State, path: Path) -> Path:
        return _save({key: weight.to(dtype) for key, weight in state.items()}, path)

    return write


def _write_scale_weight(state: State, path: Path) -> Path:
    """The older layout: a key `scaled_fp8` marks the file, and each layer has a `scale_weight`."""
    scaled, scales = _scaled(state)
    marker = {"scaled_fp8": torch.empty(2, dtype=E4M3)}
    return _save(scaled | {f"{layer}.scale_weight": scale for layer, scale in scales.items()} | marker, path)


def _write_weight_scale(state: State, path: Path) -> Path:
    """The newer layout: the header lists the layers, and each layer has a `weight_scale`."""
    scaled, scales = _scaled(state)
    header = {"format_version": "1.0", "layers": {layer: {"format": "float8_e4m3fn"} for layer in scales}}
    weights = scaled | {f"{layer}.weight_scale": scale for layer, scale in scales.items()}
    return _save(weights, path, {"_quantization_metadata": json.dumps(header)})


def _scaled(state: State) -> tuple[State, dict[str, Tensor]]:
    """The state dict with scaled e4m3 matrices, and the scale of each layer."""
    limit = torch.finfo(E4M3).max
    scales = {_layer(key): weight.abs().max() / limit for key, weight in state.items() if weight.ndim == 2}
    scaled = {
        key: (weight / scales[_layer(key)]).to(E4M3) if weight.ndim == 2 else weight for key, weight in state.items()
    }
    return scaled, scales


def _layer(key: str) -> str:
    return key.removesuffix(".weight")


def _save(state: State, path: Path, header: dict[str, str] | None = None) -> Path:
    file = path.with_suffix(".safetensors")
    save_file({key: weight.contiguous() for key, weight in state.items()}, file, header)
    return file


def _write_gguf(kind: str) -> Callable[[State, Path], Path]:
    """Quantises the matrices of the single blocks, which the styles change; all other weights stay in float32."""

    def write(state: State, path: Path) -> Path:
        import gguf

        file, chosen = path.with_suffix(".gguf"), gguf.GGMLQuantizationType[kind]
        writer = gguf.GGUFWriter(file, "flux")
        for key, weight in state.items():
            if key.startswith("single_blocks.") and weight.ndim == 2 and weight.shape[1] % BLOCK == 0:
                q4 = kind == "Q4_K"
                data = quantize_q4_k(weight).numpy() if q4 else gguf.quants.quantize(weight.numpy(), chosen)
                writer.add_tensor(key, data, raw_dtype=chosen)
            else:
                writer.add_tensor(key, weight.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return file

    return write


FORMS = {
    "fp16": StoredForm(_write_as(torch.float16), torch.float16),
    "bf16": StoredForm(_write_as(torch.bfloat16), torch.bfloat16),
    "e4m3": StoredForm(_write_as(torch.bfloat16), E4M3),
    "scaled e4m3, scale_weight": StoredForm(_write_scale_weight),
    "scaled e4m3, weight_scale": StoredForm(_write_weight_scale),
    "GGUF Q8_0": StoredForm(_write_gguf("Q8_0"), is_gguf=True),
    "GGUF Q4_K": StoredForm(_write_gguf("Q4_K"), is_gguf=True),
}
"""The forms of weight storage, by the name in the table."""
