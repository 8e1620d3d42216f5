"""Recognises the kind of a file by its keys, and lists the layers of expert files."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StyleExpertError
from ..flux.layer_names import is_flux2_layer, is_flux_layer, layer_order
from ..plain_text import quoted

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
ALPHA = "alpha"
"""Part of a layer in a plain LoRA: the numerator of its scale, one number. It is optional."""
FOREIGN_PARTS = {
    "lora_magnitude_vector": "DoRA",
    "lora_magnitude_vector.weight": "DoRA",
    "dora_scale": "DoRA",
    "lora_B.bias": "a LoRA with biases",
    "lora_embedding_A": "a LoRA of an embedding",
}
"""Parts of adapters that one pair of matrices per layer cannot express, with the adapter's name."""

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
        twice: pairs of keys with the same meaning, such as one layer under two prefixes.
        skipped: layers that are no linear layer of FLUX.1 and are left out; `require_expert_keys` fills it.
    """

    layers: dict[str, dict[str, str]] = field(default_factory=dict)
    encoder: dict[str, str] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)
    skipped: tuple[str, ...] = ()

    @property
    def kind(self) -> str | None:
        """Kind of the file: "style-moe", "lora", "style-encoder" (an encoder without experts) or None."""
        parts = {part for layer in self.layers.values() for part in layer}
        if parts & MOE_PARTS.keys() or parts & SHARED_PARTS.keys():
            return "style-moe"
        if parts & LORA_PARTS.keys():
            return "lora"
        return "style-encoder" if self.encoder else None


def sort_keys(keys: Iterable[str]) -> FileKeys:
    """Sort the keys of a file by their use. It never raises; `require_expert_keys` checks the result."""
    found = FileKeys()
    for key in keys:
        if (name := _encoder_name(key)) is not None:
            _add(found, found.encoder, name, key)
        elif layer_part := _layer_part(key):
            layer, part = layer_part
            _add(found, found.layers.setdefault(layer, {}), part, key)
        else:
            found.other.append(key)
    return found


def _add(found: FileKeys, keys: dict[str, str], name: str, key: str) -> None:
    if name in keys:
        found.twice.append((keys[name], key))
    keys[name] = key


def require_expert_keys(path: Path, found: FileKeys) -> None:
    """Check that the keys belong to an expert file, sort its layers, and leave out layers that FLUX.1 does not have.

    Raises:
        StyleExpertError: the file is of another kind or for another model, mixes two kinds, or holds a key twice.
    """
    if found.kind == "style-encoder":
        raise StyleExpertError(
            f"{path.name} holds a style encoder and no experts. Choose it as the encoder, together with an expert file."
        )
    _require_plain_adapter(path, found.other)
    if found.kind is None or found.other:
        foreign = found.other or [key for parts in found.layers.values() for key in parts.values()]
        raise StyleExpertError(
            f"{path.name} is {foreign_kind(foreign)}, expected StyleExpert experts or a RegionRoute LoRA for "
            f"FLUX.1 Kontext in diffusers' layer names{_first(found.other)}. Choose such a file, "
            "or load this one with a node for its kind."
        )
    require_once(path, found)
    own = MOE_PARTS.keys() | SHARED_PARTS.keys() if found.kind == "style-moe" else {*LORA_PARTS, ALPHA}
    mixed = [key for parts in found.layers.values() for part, key in parts.items() if part not in own]
    if mixed:
        raise StyleExpertError(
            f"{path.name} mixes routed experts with a plain LoRA{_first(mixed)}. Choose a file of one kind."
        )
    _leave_out_unknown_layers(path, found)


def require_once(path: Path, found: FileKeys) -> None:
    """Check that no two keys of a file mean the same tensor.

    Raises:
        StyleExpertError: two keys do.
    """
    if found.twice:
        first, second = found.twice[0]
        raise StyleExpertError(
            f"{path.name} holds the same layer twice, as {quoted(first)} and as {quoted(second)}. Remove "
            "one of the two: they may differ."
        )


def _leave_out_unknown_layers(path: Path, found: FileKeys) -> None:
    """Keep FLUX.1's layers, in the order of the blocks. A release may adapt a layer that nobody expects.

    Raises:
        StyleExpertError: the layers are those of another model.
    """
    known = sorted(filter(is_flux_layer, found.layers), key=layer_order)
    found.skipped = tuple(sorted(found.layers.keys() - set(known)))
    if len(found.skipped) > len(known) or any(map(is_flux2_layer, found.skipped)):
        first = next(filter(is_flux2_layer, found.skipped), found.skipped[0])
        family = "FLUX.2" if is_flux2_layer(first) else "another model"
        raise StyleExpertError(
            f"{path.name} is for {family}: {quoted(first)} is no linear layer of FLUX.1 in diffusers' names, such as "
            "transformer_blocks.0.attn.to_q. Choose a file that was trained for FLUX.1 Kontext."
        )
    found.layers = {layer: found.layers[layer] for layer in known}


def _require_plain_adapter(path: Path, keys: list[str]) -> None:
    for key in keys:
        for part, adapter in FOREIGN_PARTS.items():
            if key.endswith(f".{part}"):
                raise StyleExpertError(
                    f"{path.name} is {adapter} (found {quoted(key)}), expected a plain LoRA. Merge it with the program "
                    "that trained it, or train it without this option."
                )


def foreign_kind(keys: list[str]) -> str:
    """Probable kind of a foreign file, from its unknown keys, as the end of a sentence: "a vision model"."""
    for prefixes, kind in _FOREIGN:
        if any(key.startswith(prefixes) for key in keys):
            return kind
    return "a file of an unknown kind" if keys else "an empty file"


def _first(keys: list[str]) -> str:
    return f" (found {quoted(min(keys))})" if keys else ""


def _encoder_name(key: str) -> str | None:
    """The key of a style encoder without its prefix; None for any other key."""
    for prefix in _ENCODER_PREFIXES:
        key = key.removeprefix(prefix)
    return key if key.startswith(_ENCODER_STEMS) else None


def _layer_part(key: str) -> tuple[str, str] | None:
    """(diffusers layer, part) of an expert's key; None for any other key."""
    for part in (*MOE_PARTS, *SHARED_PARTS, *LORA_PARTS, ALPHA):
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
