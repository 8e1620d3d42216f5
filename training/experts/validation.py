"""What the experts paint while they learn: a sheet of content, style reference, result and target."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..bases import Base
from ..flow import Reference, euler_sigmas, predict_velocity
from ..sheet import write_sheet
from .config import ExpertsTrainConfig
from .examples import Examples
from .routed_linear import Style

STEPS = 20
PICTURES = 6


class Validation:
    """Paints the same few triplets of the test split, from the same noise, whenever it is asked to."""

    def __init__(self, config: ExpertsTrainConfig, base: Base, examples: Examples) -> None:
        self.config, self.base, self.examples = config, base, examples
        every = max(len(examples.triplets) // PICTURES, 1)
        self.chosen = list(examples.triplets)[::every][:PICTURES]

    @torch.no_grad()
    def paint(self, transformer: torch.nn.Module, style: Style, device: torch.device) -> Tensor:
        """Latents [B, 16, H, W] of the chosen triplets, by Euler steps as ComfyUI's `euler` and `simple` make them."""
        content, reference = (self._latents([getattr(row, part) for row in self.chosen]).to(device)
                              for part in ("content", "reference"))  # fmt: skip
        if self.examples.styles:
            style.embedding = torch.stack([self.examples.styles[row.reference] for row in self.chosen]).to(device)
        references = [Reference(content)] + (
            [Reference.of_style(reference, rows=self.config.style_rows)] if self.config.style_reference else []
        )
        rows = [self.examples.prompts[row.prompt] for row in self.chosen]
        text = tuple(
            torch.from_numpy(part[rows]).float().to(device) for part in (self.examples.states, self.examples.pooled)
        )
        noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(self.config.seed))
        return sample(transformer, noise.to(device), references, text, self.config.guidance)

    def sheet(self, latents: Tensor, path: Path) -> np.ndarray:
        """Write the sheet and give its pixels [H, W, 3] back."""
        columns = [
            self._latents([getattr(row, part) for row in self.chosen]) for part in ("content", "reference", "stylised")
        ]
        columns.insert(2, latents.float().cpu())
        pictures = [self.base.decode(column).cpu().permute(0, 2, 3, 1).numpy() for column in columns]
        rows = [[column[index] for column in pictures] for index in range(len(self.chosen))]
        write_sheet(rows, path)
        return np.concatenate([np.concatenate(row, axis=1) for row in rows])

    def _latents(self, paths: Sequence[Path]) -> Tensor:
        return torch.from_numpy(self.examples.latents[[self.examples.rows[path] for path in paths]]).float()


@torch.no_grad()
def sample(transformer: torch.nn.Module, noise: Tensor, references: Sequence[Reference], text: tuple[Tensor, Tensor],
           guidance: float, steps: int = STEPS) -> Tensor:  # fmt: skip
    """Euler sampling from noise [B, 16, H, W]."""
    latents = noise
    for now, after in itertools.pairwise(euler_sigmas(steps).tolist()):
        level = torch.full((len(noise),), now, device=noise.device)
        velocity = predict_velocity(transformer, latents, references, level, text, torch.full_like(level, guidance))
        latents = latents + (after - now) * velocity.float()
    return latents
