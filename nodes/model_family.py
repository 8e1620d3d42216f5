"""Checks that a MODEL is FLUX.1. Every node that takes a MODEL calls `require_flux`."""

from typing import Any

from comfy.ldm.flux.model import Flux
from comfy.model_base import Flux as FluxModel
from comfy.model_patcher import ModelPatcher
from torch import nn

from ..moe import StyleExpertError
from .compilation import without_compilation

FAMILIES = {
    "Flux2": "FLUX.2",
    "LongCatImage": "LongCat-Image",
    "ChromaRadiance": "Chroma Radiance",
    "Chroma": "Chroma",
}
"""Classes of ComfyUI that derive from FLUX.1's class or share its network -> name of the family."""
FOREIGN_PACKS = {"nunchaku": "Nunchaku", "tensorrt": "TensorRT", "onediff": "OneDiff"}
"""Part of the module name of a network -> the pack that puts such networks in the place of ComfyUI's."""
POSITION_AXES = 3
"""FLUX.1's positions are (index, row, column); FLUX.2's have a fourth number."""


def require_flux(model: ModelPatcher) -> Flux:
    """The network of a MODEL, which must be FLUX.1's.

    Raises:
        StyleExpertError: the MODEL is of another family. The message names it.
    """
    network = without_compilation(getattr(model.model, "diffusion_model", None))
    family = family_of(model.model)
    if isinstance(network, Flux) and family is None and not (differences := _differences(network)):
        return network
    if family is None and isinstance(model.model, FluxModel) and not isinstance(network, Flux):
        raise StyleExpertError(_foreign_network(network))
    found = family or type(getattr(model.model, "model_config", model.model)).__name__
    what = ", ".join(differences) if isinstance(network, Flux) and family is None else type(network).__name__
    raise StyleExpertError(
        f"The model is {found} ({what}), but StyleRoute's nodes work with FLUX.1 Kontext only. "
        "Load a FLUX.1 Kontext model with Load Diffusion Model."
    )


def family_of(model: Any) -> str | None:
    """The name of the other family that ComfyUI's model class belongs to; None for FLUX.1 and unknown classes."""
    return next((FAMILIES[kind.__name__] for kind in type(model).__mro__ if kind.__name__ in FAMILIES), None)


def _foreign_network(network: Any) -> str:
    """The refusal of a FLUX.1 whose network is another pack's own class."""
    modules = (network, *network.children()) if isinstance(network, nn.Module) else (network,)
    origins = " ".join(type(module).__module__ for module in modules).lower()
    pack = next((f" from {name}" for part, name in FOREIGN_PACKS.items() if part in origins), "")
    return (
        f"The network of this model is {type(network).__name__}{pack}, not ComfyUI's own, so its weights cannot be "
        "changed by experts. Load FLUX.1 Kontext as safetensors (bf16 or fp8) or as GGUF."
    )


def _differences(network: Flux) -> list[str]:
    """In what a network of FLUX.1's class differs from FLUX.1. Other families use the same class."""
    params = network.params
    facts = {
        f"{len(params.axes_dim)} position axes": len(params.axes_dim) != POSITION_AXES,
        f"patches of {params.patch_size} x {params.patch_size}": params.patch_size != 2,
        "positions of text tokens": bool(getattr(params, "txt_ids_dims", ())),
        "no pooled text vector": getattr(network, "vector_in", None) is None,
        **{name: bool(getattr(params, name, False)) for name in ("global_modulation", "mlp_silu_act", "yak_mlp")},
        "txt_norm": bool(getattr(params, "txt_norm", False)),
    }
    return [fact for fact, differs in facts.items() if differs]
