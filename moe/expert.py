"""StyleExpert: an opened expert file. Its weights stay on disk until a style needs them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import StyleExpertError
from .collapse import SHARED, LowRank, collapse, mixture
from .config import EncoderConfig, ExpertConfig
from .encoder import StyleEncoder
from .encoder_sizes import read_encoder_config
from .expert_sizes import read_entry, read_expert_sizes
from .formats import LORA_PARTS, FileKeys, require_expert_keys, require_once, sort_keys
from .header import read_header
from .lora_scales import alpha_keys
from .router import Routing, route
from .trained_inputs import read_trained_inputs
from .weight_file import OpenWeights, WeightFile, is_finite

GATE = "lora_layer.cond_gate.weight"


class StyleExpert:
    """The experts of one file, and their style encoder. `StyleExpert.open` creates it.

    Attributes:
        path: the expert file.
        config: sizes and arithmetic of the experts.
        layers: diffusers names of the adapted layers, in the order of the blocks.
        layer_shapes: (out, in) of each adapted layer.
        layer_ranks: rank r of each adapted layer.
        skipped_layers: layers of the file that are no linear layer of FLUX.1; nothing applies them.
        encoder_config: sizes of the style encoder; None without an encoder.
        training: training summary from the header entry; None without a summary.
        style_rows: rows of tokens by which the style image stands below the content image as a second reference; None
            if the experts were trained without the style image.
        text_tokens: length of the training's prompts in T5 tokens; None if the file does not record it.
    """

    path: Path
    config: ExpertConfig
    layers: tuple[str, ...]
    layer_shapes: Mapping[str, tuple[int, int]]
    layer_ranks: Mapping[str, int]
    skipped_layers: tuple[str, ...]
    encoder_config: EncoderConfig | None
    training: dict[str, Any] | None
    style_rows: int | None
    text_tokens: int | None

    def __init__(
        self,
        file: WeightFile,
        found: FileKeys,
        encoder_file: WeightFile | None = None,
        encoder_keys: Mapping[str, str] | None = None,
        routing: str | None = None,
        style_rows: int | None = None,
    ) -> None:
        header, entry = file.header, read_entry(file.header)
        require_expert_keys(header.path, found)
        sizes = read_expert_sizes(header, found, entry, _alphas(file, found))
        self._file, self._keys = file, found.layers
        self._lora_scales = sizes.lora_scales
        self._encoder_file, self._encoder_keys = encoder_file or file, encoder_keys or found.encoder
        self.path = header.path
        self.config = _with_routing(sizes.config, routing)
        self.layers, self.layer_shapes = tuple(sizes.layer_shapes), sizes.layer_shapes
        self.layer_ranks, self.skipped_layers = sizes.layer_ranks, found.skipped
        self.training = (entry or {}).get("training")
        inputs = read_trained_inputs(header.path, self.training or {})
        self.style_rows = inputs.style_rows if style_rows is None else style_rows
        self.text_tokens = inputs.text_tokens
        self.encoder_config = self._read_encoder_config()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        encoder_path: str | os.PathLike[str] | None = None,
        routing: str | None = None,
        style_rows: int | None = None,
    ) -> "StyleExpert":
        """Open a StyleRoute file, a file of the StyleExpert release, or a plain LoRA; only headers are read.

        Args:
            path: the expert file.
            encoder_path: file of the style encoder, or another expert file with an encoder; None: use the expert file.
            routing: "paper" or "release-1", replaces the arithmetic that the file names; ignored for a plain LoRA.
            style_rows: replaces the position of the style image that the file records. Release files record none.

        Raises:
            StyleExpertError: a file is incomplete or of another kind, or contradicts itself or the other file.
        """
        file = WeightFile(read_header(path))
        found = sort_keys(file.header.tensors)
        if encoder_path is None:
            return cls(file, found, routing=routing, style_rows=style_rows)
        encoder_file = WeightFile(read_header(encoder_path))
        encoder_found = sort_keys(encoder_file.header.tensors)
        _require_encoder_keys(encoder_file, encoder_found)
        return cls(file, found, encoder_file, encoder_found.encoder, routing, style_rows)

    @property
    def version(self) -> tuple[str | int, ...]:
        """Path, inode, time and size of the expert file when it was opened; another content has another version."""
        return str(self.path), *self._file.header.state

    @property
    def bytes_read(self) -> int:
        """Number of tensor bytes read so far, without headers."""
        files = {id(file): file for file in (self._file, self._encoder_file)}
        return sum(file.bytes_read for file in files.values())

    @cached_property
    def encoder(self) -> StyleEncoder:
        """The style encoder in float32, read on first use.

        Raises:
            StyleExpertError: the file has no style encoder, and none was opened with it.
        """
        if self.encoder_config is None:
            raise StyleExpertError(
                f"{self.path.name} holds no style encoder. Open it together with its encoder file (encoder_path)."
            )
        return _read_encoder(self._encoder_file, self._encoder_keys, self.encoder_config)

    def scale_of(self, layer: str) -> float:
        """Factor of a layer's summed experts, or of B @ A in a plain LoRA."""
        if self.config.is_lora:
            return self._lora_scales[layer]
        return self.config.scale_at(self.layer_ranks[layer])

    def route(self, style: Tensor) -> dict[str, Routing]:
        """Route each style of a batch to the experts of every layer.

        Args:
            style: [B, cond_dim], from `encoder`.

        Raises:
            StyleExpertError: the style has another width or is not finite, or this is a plain LoRA.
        """
        if self.config.is_lora:
            raise StyleExpertError(f"{self.path.name} is a plain LoRA, which has one style and no experts to route to.")
        style = self._require_style(style)
        with torch.no_grad():
            # One matrix product and one top-k for all layers, instead of one for each layer.
            chosen = route(torch.einsum("bc,lec->ble", style, self._gates), self.config.top_k)
        pairs = zip(chosen.indices.unbind(1), chosen.weights.unbind(1), strict=True)
        return dict(zip(self.layers, (Routing(*pair) for pair in pairs), strict=True))

    def collapse(self, style: Tensor | None, strength: float = 1.0) -> dict[str, LowRank]:
        """Collapse the experts of a style to one low-rank pair per layer; only the routed experts are read.

        Args:
            style: [1, cond_dim]; unused for a plain LoRA, where it may be None.
            strength: factor of the whole change.

        Raises:
            StyleExpertError: the style has another width, is not exactly one, or a number in it or a weight is not
                finite.
        """
        if self.config.is_lora:
            with self._file.opened() as weights:
                return {layer: self._collapse_lora(weights, layer, strength) for layer in self.layers}
        return self.collapse_routed(self.route(self._require_single(style)), strength)

    def collapse_routed(self, routings: Mapping[str, Routing], strength: float = 1.0) -> dict[str, LowRank]:
        """Like `collapse`, from the result of `route` for a batch of 1."""
        with self._file.opened() as weights:
            return {layer: self._collapse_mixture(weights, layer, routings[layer], strength) for layer in self.layers}

    def stored_layers(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Iterate over the layers and their tensors in float32, named as in `formats.py`; one layer at a time.

        Raises:
            StyleExpertError: the file can no longer be read, or a weight is not finite.
        """
        with self._file.opened() as weights:
            for layer in self.layers:
                yield layer, {part: weights.whole(key) for part, key in self._keys[layer].items()}

    @cached_property
    def _gates(self) -> Tensor:
        """The gates of all layers, [layers, E, cond_dim]. They are small and every style needs them: read once."""
        with self._file.opened() as weights:
            return torch.stack([weights.whole(self._keys[layer][GATE]) for layer in self.layers])

    def _collapse_mixture(self, weights: OpenWeights, layer: str, routing: Routing, strength: float) -> LowRank:
        parts, keys = [], []
        for expert, factor in mixture(routing, self.config, self.scale_of(layer)):
            names, index = (("shared_A", "shared_B"), 0) if expert == SHARED else (("loraA", "loraB"), expert)
            key_a, key_b = (self._keys[layer][f"lora_layer.{name}"] for name in names)
            lora_a, lora_b = weights.expert(key_a, index), weights.expert(key_b, index)
            parts.append((strength * factor, lora_a, lora_b))
            keys += [key_a, key_b]
        return _collapsed(weights, layer, parts, keys)

    def _collapse_lora(self, weights: OpenWeights, layer: str, strength: float) -> LowRank:
        keys = [self._keys[layer][part] for part in LORA_PARTS]
        lora_a, lora_b = (weights.whole(key) for key in keys)
        return _collapsed(weights, layer, [(strength * self.scale_of(layer), lora_a, lora_b)], keys)

    def _read_encoder_config(self) -> EncoderConfig | None:
        if not self._encoder_keys:
            return None
        config = _encoder_config(self._encoder_file, self._encoder_keys)
        if self.config.kind == "style-moe" and config.cond_dim != self.config.cond_dim:
            raise StyleExpertError(
                f"The style encoder in {self._encoder_file.header.path.name} gives {config.cond_dim} numbers, "
                f"but the routers in {self.path.name} expect {self.config.cond_dim}. "
                "Choose the encoder that the experts were trained with."
            )
        return config

    def _require_style(self, style: Tensor) -> Tensor:
        shape = list(style.shape)
        if len(shape) != 2 or shape[1] != self.config.cond_dim or not shape[0]:
            raise StyleExpertError(
                f"The style has shape {shape}, expected [styles, {self.config.cond_dim}] for {self.path.name}. "
                "Encode the image with the style encoder of this file."
            )
        if not style.isfinite().all():
            raise StyleExpertError(
                "The style holds NaN or infinite numbers. Encode the image again, with the vision model in float32."
            )
        return style.detach().to("cpu", torch.float32)

    def _require_single(self, style: Tensor | None) -> Tensor:
        if style is not None and len(style) == 1:
            return style
        found = "no style" if style is None else f"{len(style)} styles"
        raise StyleExpertError(
            f"{self.path.name} got {found}, expected exactly one, [1, {self.config.cond_dim}]. "
            "Encode one image, or take the mean of several styles."
        )


def _collapsed(
    weights: OpenWeights, layer: str, parts: Sequence[tuple[float, Tensor, Tensor]], keys: Sequence[str]
) -> LowRank:
    """`collapse`, whose message names the tensor at fault if a stored number is not finite.

    Args:
        weights: the open file.
        layer: name of the layer.
        parts: factor, A and B of each expert.
        keys: the keys of all A and B, in the order of `parts`.
    """
    try:
        return collapse(layer, parts)
    except StyleExpertError:
        stored = [weight for _, *pair in parts for weight in pair]
        for key, weight in zip(keys, stored, strict=True):
            if not is_finite(weight):
                raise weights.not_finite(key) from None
        raise


def _alphas(file: WeightFile, found: FileKeys) -> dict[str, float]:
    """By layer, the tensors `alpha` of a plain LoRA: a few bytes each."""
    if not (keys := alpha_keys(file.header, found)):
        return {}
    with file.opened() as weights:
        return {layer: float(weights.whole(key)) for layer, key in keys.items()}


def _with_routing(config: ExpertConfig, routing: str | None) -> ExpertConfig:
    return config if routing is None or config.is_lora else replace(config, routing=routing)


def open_encoder(path: str | os.PathLike[str]) -> StyleEncoder:
    """The style encoder, in float32, of an encoder file or of an expert file with an encoder.

    Raises:
        StyleExpertError: the file holds no style encoder, or an incomplete one.
    """
    file = WeightFile(read_header(path))
    found = sort_keys(file.header.tensors)
    _require_encoder_keys(file, found)
    return _read_encoder(file, found.encoder, _encoder_config(file, found.encoder))


def _encoder_config(file: WeightFile, keys: Mapping[str, str]) -> EncoderConfig:
    shapes = {name: file.header.tensors[key].shape for name, key in keys.items()}
    return read_encoder_config(file.header.path, shapes, (read_entry(file.header) or {}).get("encoder"))


def _read_encoder(file: WeightFile, keys: Mapping[str, str], config: EncoderConfig) -> StyleEncoder:
    with file.opened() as weights:
        state = {name: weights.whole(key) for name, key in keys.items()}
    encoder = StyleEncoder(config)
    encoder.load_file_state(state)
    return encoder.eval().requires_grad_(False)


def _require_encoder_keys(file: WeightFile, found: FileKeys) -> None:
    require_once(file.header.path, found)
    if not found.encoder:
        raise StyleExpertError(
            f"{file.header.path.name} holds no style encoder (keys such as embedding_linears.-2.0.weight). Choose the "
            "encoder file of a StyleExpert release."
        )
