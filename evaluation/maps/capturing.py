"""Captures both kinds of maps of a forward pass: attention of the phrase's tokens, and similarity of the outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ...attention.output_similarity import output_similarity
from ...flux.noise import add_noise
from ...flux.velocity import Reference, predict_velocity
from ...training.regions.capture import CapturingProcessor, MapCapture, block_modules, capture_maps
from .scenes import MapScene

Kind = Literal["attention", "output similarity"]
KINDS: tuple[Kind, ...] = ("attention", "output similarity")
GUIDANCE = 3.5
"""Guidance scale that the model gets."""


class ComparingProcessor(CapturingProcessor):
    """Like `CapturingProcessor`, but it also keeps the similarity of the attention outputs."""

    def __init__(self, capture: MapCapture, block: str, outputs: dict[str, Tensor]) -> None:
        super().__init__(capture, block)
        self.outputs = outputs

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        states = super()._attend(q, k, v, mask)
        if self.capture.spans is not None:
            rows = self.capture.rows
            self.outputs[self.block] = output_similarity(states, self.capture.spans, rows, rows.start)
        return states


@dataclass
class MapReader:
    """Runs the base model on scenes, and reads the maps of every block.

    Attributes:
        transformer: the base model, with or without a LoRA.
        device: its device.
    """

    transformer: Any
    device: torch.device
    _outputs: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._capture = capture_maps(self.transformer, "all")
        modules = block_modules(self.transformer)
        for block in self.blocks:
            modules[block].attn.set_processor(ComparingProcessor(self._capture, block, self._outputs))

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of all blocks, in the order of the network."""
        return self._capture.blocks

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of double and single blocks."""
        return {kind: sum(block.startswith(kind) for block in self.blocks) for kind in ("double", "single")}

    @torch.no_grad()
    def read(
        self, scene: MapScene, latents: Tensor, text: tuple[Tensor, Tensor], noise: Tensor, sigma: float
    ) -> Mapping[Kind, Tensor]:
        """The maps [L, S, h, w] of all blocks, by kind. The scene is the reference, and the target below the noise.

        Args:
            scene: the scene.
            latents: its latents [1, 16, H, W].
            text: T5 states [1, N, D] and CLIP's pooled vector [1, P] of its prompt.
            noise: [1, 16, H, W].
            sigma: the noise level.
        """
        start, cells = text[0].shape[1], scene.masks.shape[-2:]
        self._capture.expect([scene.spans], slice(start, start + cells[0] * cells[1]))
        levels = torch.full((1,), sigma, device=self.device)
        noisy = add_noise(latents, noise, levels)
        guidance = torch.full_like(levels, GUIDANCE)
        # FLUX is loaded in bfloat16 on a graphics card, where its inputs must be cast.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            predict_velocity(self.transformer, noisy, [Reference(latents)], levels, text, guidance)
        found = {"attention": self._capture.take(), "output similarity": dict(self._outputs)}
        self._capture.rest()
        return {kind: torch.cat([maps[block] for block in self.blocks]).float().cpu().unflatten(-1, cells)
                for kind, maps in found.items()}  # fmt: skip
