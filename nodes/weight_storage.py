"""In how many bits a MODEL stores its weights: merging a style into 8 bits or less loses the style to rounding."""

from collections.abc import Iterable

from comfy import quant_ops
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .compilation import without_compilation

FLOAT_TYPES = {"F32", "F16", "BF16"}
"""GGUF types that are plain numbers; all other types are quantised."""


def stores_few_bits(model: ModelPatcher, keys: Iterable[str]) -> bool:
    """Whether `model` stores one of the weights in 8 bits or less.

    Args:
        model: a Flux.
        keys: keys of weights, such as "diffusion_model.img_in.weight".
    """
    return any(_has_few_bits(_weight(model, key)) for key in keys)


def _weight(model: ModelPatcher, key: str) -> Tensor:
    module = model.model
    *path, name = key.split(".")
    for part in path:
        module = without_compilation(getattr(module, part))
    return getattr(module, name)


def _has_few_bits(weight: Tensor) -> bool:
    """Whether a weight has 8 bits or less per number, or is one of ComfyUI's or GGUF's quantised tensors."""
    gguf_type = getattr(weight, "tensor_type", None)
    if gguf_type is not None:
        return getattr(gguf_type, "name", "") not in FLOAT_TYPES
    return weight.dtype.itemsize < 2 or isinstance(weight, quant_ops.QuantizedTensor)
