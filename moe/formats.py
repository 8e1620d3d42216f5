"""Recognises the kind of a file by its keys, and lists the layers of expert files."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StyleExpertError
from ..flux.layer_names import layer_order

MOE_PARTS = {
    "lora_layer.loraA": ("E", "r", "in"),
    "lora_layer.loraB": ("E", "out", "r"),
    "lora_layer.cond_gate.weight": ("E", "cond_dim"),
}
"""Parts of a routed layer (the end of their keys), with their shapes."""
SHARED_PARTS = {
    "lora_layer.shared_A": (1, "r_s", "in"),
    "lora_layer.shared_B": (1, "out", "r_s"),
}
"""Parts of the shared expert, which is optional, with their shapes."""
LORA_PARTS = {
    "lora_A.weight": ("r", "in"),
    "lora_B.weight": ("out", "r"),
}
"""Parts of a layer in a plain LoRA, with their shapes."""

_MODEL_PREFIXES = ("base_model.model.", "transformer.")
_ENCODER_PREFIXES = ("encoder.", "proj_model.")
_ENCODER_STEMS = ("embedding_linears.", "layer_norms.", "projections.", "post_projection.")
_FOREIGN = (
    (("style.embedding", "style.thumbnail"), "a style from Save Style"),
    (("lora_unet_", "lora_te", "lycoris_"), "a LoRA in kohya's layout"),
    (("unet.", "text_encoder", "down_blocks.", "up_blocks."), "a LoRA for Stable Diffusion in diffusers' layout"),
    (("diffusion_model.", "double_blocks.", "single_blocks."), "a Flux file in ComfyUI's own layout"),
    (("model.diffusion_model.", "first_stage_model.", "cond_stage_model."), "a whole checkpoint"),
    (("vision_model.", "vision_tower."), "a vision model"),
    (("transformer_blocks.", "single_transformer_blocks.", "transformer."), "a Flux file of another kind"),
)


@dataclass
class FileKeys:
    """The keys of a file, sorted by their use.

    Attributes:
        layers: layer -> part -> key in the file. Layers have diffusers names, in the order of the blocks.
        encoder: the style encoder's key without prefix (`encoder_sizes.py`) -> key in the file.
        other: keys that belong neither to experts nor to an encoder.
    """

    layers: dict[str, dict[str, str]] = field(default_factory=dict)
    encoder: dict[str, str] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str | None:
        """Kind of the file: "style-moe", "lora", "style-encoder" (an encoder without experts) or None."""
        parts = {part for layer in self.layers.values() for part in layer}
        if parts & MOE_PARTS.keys() or parts & SHARED_PARTS.keys():
            return "style-moe"
        if parts:
            return "lora"
        return "style-encoder" if self.encoder else None


def sort_keys(keys: Iterable[str]) -> FileKeys:
    """Sort the keys of a file by their use. It never raises; `require_expert_keys` checks the result."""
    found = FileKeys()
    for key in keys:
        if (name := _encoder_name(key)) is not None:
            found.encoder[name] = key
        elif layer_part := _layer_part(key):
            layer, part = layer_part
            found.layers.setdefault(layer, {})[part] = key
        else:
            found.other.append(key)
    return found


def require_expert_keys(path: Path, found: FileKeys) -> None:
    """Check that the keys belong to an expert file, and sort its layers.

    Raises:
        StyleExpertError: the file is of another kind, mixes two kinds, or holds layers that Flux does not have.
    """
    if found.kind == "style-encoder":
        raise StyleExpertError(
            f"{path.name} holds a style encoder and no experts. Choose it as the encoder, together with an expert file."
        )
    if found.kind is None or found.other:
        raise StyleExpertError(
            f"{path.name} is {foreign_kind(found.other)}, expected StyleExpert experts or a RegionRoute LoRA for "
            f"FLUX.1 Kontext in diffusers' layer names{_first(found.other)}. Choose such a file, "
            "or load this one with a node for its kind."
        )
    own = MOE_PARTS.keys() | SHARED_PARTS.keys() if found.kind == "style-moe" else LORA_PARTS.keys()
    mixed = [key for parts in found.layers.values() for part, key in parts.items() if part not in own]
    if mixed:
        raise StyleExpertError(
            f"{path.name} mixes routed experts with a plain LoRA{_first(mixed)}. Choose a file of one kind."
        )
    found.layers = {layer: found.layers[layer] for layer in sorted(found.layers, key=layer_order)}


def foreign_kind(keys: list[str]) -> str:
    """Probable kind of a foreign file, from its unknown keys, as the end of a sentence: "a vision model"."""
    for prefixes, kind in _FOREIGN:
        if any(key.startswith(prefixes) for key in keys):
            return kind
    return "a file of an unknown kind" if keys else "an empty file"


def _first(keys: list[str]) -> str:
    return f" (found {sorted(keys)[0][:80]!r})" if keys else ""


def _encoder_name(key: str) -> str | None:
    """The key of a style encoder without its prefix; None for any other key."""
    for prefix in _ENCODER_PREFIXES:
        key = key.removeprefix(prefix)
    return key if key.startswith(_ENCODER_STEMS) else None


def _layer_part(key: str) -> tuple[str, str] | None:
    """(diffusers layer, part) of an expert's key; None for any other key."""
    for part in (*MOE_PARTS, *SHARED_PARTS, *LORA_PARTS):
        if key.endswith(f".{part}"):
            layer = key.removesuffix(f".{part}")
            break
    else:
        return None
    for prefix in _MODEL_PREFIXES:
        layer = layer.removeprefix(prefix)
    # LoRAs in ComfyUI's layout and for Stable Diffusion use the same parts. They are refused as one foreign file.
    return None if layer.startswith(_OTHER_MODELS) else (layer, part)


_OTHER_MODELS = tuple(prefix for prefixes, _ in _FOREIGN[:6] for prefix in prefixes)
