"""The small Flux, stored in other formats, and loaded by ComfyUI's own loaders."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

SCALED = "scaled float8"
FORMATS = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", SCALED)
"""How a model file may store its weights. The last one is ComfyUI's fp8_scaled, with a scale for each layer."""
EIGHT_BITS = frozenset(FORMATS[2:])


@contextmanager
def sizes_given(parts, monkeypatch) -> Iterator[None]:
    """Lets ComfyUI's loaders build the small Flux, and compute in float32.

    ComfyUI 0.3.75 assumes 24 heads for every Flux.
    """
    import comfy.model_detection
    import comfy.model_management

    detect = comfy.model_detection.detect_unet_config
    with monkeypatch.context() as patch:
        patch.setattr(
            comfy.model_detection, "detect_unet_config", lambda *args, **named: detect(*args, **named) | parts.FLUX
        )
        patch.setattr(comfy.model_management, "unet_manual_cast", lambda *_, **__: torch.float32)
        yield


def load(parts, state: dict[str, Tensor], monkeypatch, **options):
    """Load Diffusion Model's function for a state dict."""
    import comfy.sd

    with sizes_given(parts, monkeypatch):
        return comfy.sd.load_diffusion_model_state_dict(dict(state), model_options=options)


def state_in(form: str, network: torch.nn.Module) -> dict[str, Tensor]:
    """The weights of a network in one of `FORMATS`."""
    state = {key: weight.clone() for key, weight in network.state_dict().items()}
    if form != SCALED:
        return {key: weight.to(getattr(torch, form)) for key, weight in state.items()}
    for key in [key for key, weight in state.items() if weight.ndim == 2]:
        scale = state[key].abs().amax() / torch.finfo(torch.float8_e4m3fn).max
        state[key] = (state[key] / scale).to(torch.float8_e4m3fn)
        state[key.removesuffix("weight") + "scale_weight"] = scale
        bias = key.removesuffix("weight") + "bias"
        if bias in state:  # ComfyUI 0.3.75 also keeps biases in 8 bits; later versions do not
            state[bias] = state[bias].to(torch.float8_e4m3fn).float()
    return state | {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}


def read_back(form: str, network: torch.nn.Module) -> dict[str, Tensor]:
    """The float32 weights that a format holds: the reference for exact results."""
    state = state_in(form, network)
    state.pop("scaled_fp8", None)
    scales = {key.removesuffix("scale_weight"): state.pop(key) for key in list(state) if key.endswith("scale_weight")}
    return {key: weight.float() * scales.get(key.removesuffix("weight"), 1) for key, weight in state.items()}


def write_gguf(gguf: ModuleType, path: Path, network: torch.nn.Module, kind: str) -> dict[str, Tensor]:
    """Writes a GGUF file whose large weights have a quantised type; returns the float32 weights that it holds.

    Args:
        gguf: the package of that name, which ComfyUI-GGUF needs.
        path: the new file.
        network: the network whose weights to write.
        kind: the GGUF type of the large weights, such as "Q8_0".
    """
    writer, held = gguf.GGUFWriter(str(path), "flux"), {}
    for key, weight in network.state_dict().items():
        quantised = weight.ndim == 2 and "blocks." in key
        form = getattr(gguf.GGMLQuantizationType, kind if quantised else "F32")
        data = gguf.quants.quantize(weight.numpy(), form)
        writer.add_tensor(key, data, raw_dtype=form)
        held[key] = torch.from_numpy(gguf.quants.dequantize(data, form)).view_as(weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held
