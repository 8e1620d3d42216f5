"""Measures the maps of object phrases on scenes with known masks, without and with a grounding LoRA."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...attention.selection import parse_blocks
from ...errors import TrainingError
from ...moe import StyleExpert
from ...progress import track
from ...storage.disk_space import require_writable
from ...training.bases import Base, load_base
from .capturing import KINDS, Kind, MapReader
from .config import CalibrationConfig
from .scenes import MapScene, load_scenes
from .scores import MeasuredMaps

BASE, GROUNDED = "base model", "with the grounding LoRA"
"""The models of a calibration."""


@dataclass(frozen=True)
class Calibration:
    """The result of a calibration.

    Attributes:
        config: the options.
        base: the base model.
        counts: number of scenes by their number of objects.
        measured: the maps by model, `BASE` and with a LoRA `GROUNDED`.
        blocks: the chosen blocks by kind of map, chosen on the base model.
    """

    config: CalibrationConfig
    base: Base
    counts: Mapping[int, int]
    measured: Mapping[str, MeasuredMaps]
    blocks: Mapping[Kind, tuple[str, ...]]


@dataclass(frozen=True)
class EncodedScene:
    """A scene with its latents [1, 16, H, W], and T5 states [1, N, D] and pooled vector [1, P] of its prompt."""

    scene: MapScene
    latents: Tensor
    text: tuple[Tensor, Tensor]


def calibrate(config: CalibrationConfig) -> Calibration:
    """Measure both kinds of maps of every block at every noise level, and choose the blocks that find objects best.

    Raises:
        TrainingError: the base model, the LoRA or the dataset cannot be used; nothing is measured then.
        DataError, AttentionError: the scenes cannot be made, or their prompts are too long.
        StorageError: the calibration file cannot be written.
    """
    require_writable(config.file)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    lora = None if config.lora is None else StyleExpert.open(config.lora)
    base = load_base(config.base, str(device), dtype, config.text_tokens)
    scenes = load_scenes(config, base)
    encoded = {count: [_encode(base, scene) for scene in group] for count, group in scenes.items()}
    base.free_encoders()
    transformer = base.transformer().to(device).eval()
    reader = MapReader(transformer, device)
    chosen = config.blocks and tuple(block.name for block in parse_blocks(config.blocks, reader.counts))
    if lora is not None:
        _require_fit(lora, transformer)
    measured = {BASE: _measure(config, reader, encoded, BASE)}
    if lora is not None:
        add_pairs(transformer, lora, config.strength)
        measured[GROUNDED] = _measure(config, reader, encoded, GROUNDED)
    blocks = {kind: measured[BASE].best_blocks(kind) for kind in KINDS}
    if chosen:
        blocks[KINDS[0]] = chosen
    return Calibration(config, base, {count: len(group) for count, group in scenes.items()}, measured, blocks)


@torch.no_grad()
def add_pairs(transformer: Any, lora: StyleExpert, strength: float = 1.0) -> None:
    """Merge a plain LoRA, times `strength`, into the weights of a transformer in diffusers' layout."""
    for layer, pair in lora.collapse(None).items():
        weight = transformer.get_submodule(layer).weight
        weight += strength * (pair.up.float() @ pair.down.float()).to(weight)


def _require_fit(lora: StyleExpert, transformer: Any) -> None:
    """Check that a file is a plain LoRA of this base model.

    Raises:
        TrainingError: it has other experts, layers or sizes.
    """
    name = lora.path.name
    if lora.config.kind != "lora":
        raise TrainingError(f"{name} holds routed experts, expected a plain LoRA: give a file of `train region`")
    for layer, pair in lora.collapse(None).items():
        try:
            found = tuple(transformer.get_submodule(layer).weight.shape)
        except AttributeError:
            found = None
        if found != (pair.up.shape[0], pair.down.shape[1]):
            raise TrainingError(
                f"{name} changes the layer {layer} as a matrix of {pair.up.shape[0]} x {pair.down.shape[1]}, but the "
                f"base model has {found or 'no such layer'}: give the LoRA's own base model with --base"
            )


def _encode(base: Base, scene: MapScene) -> EncodedScene:
    pixels = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
    return EncodedScene(scene, base.encode(pixels), base.encode_prompts([scene.prompt]))


def _measure(
    config: CalibrationConfig, reader: MapReader, encoded: Mapping[int, list[EncodedScene]], model: str
) -> MeasuredMaps:
    """The maps of a model on all scenes. The noise of a scene is the same at all noise levels and for all models."""
    measured, device = MeasuredMaps(reader.blocks), reader.device
    scenes = [(count, number, each) for count, group in encoded.items() for number, each in enumerate(group)]
    for count, number, each in track(scenes, model):
        generator = torch.Generator().manual_seed(config.seed + number)
        noise = torch.randn(each.latents.shape, generator=generator).to(device)
        text = (each.text[0].to(device), each.text[1].to(device))
        for level in config.noise:
            maps = reader.read(each.scene, each.latents.to(device), text, noise, level)
            for kind in KINDS:
                measured.add((kind, count, level), maps[kind], each.scene.masks)
    return measured
