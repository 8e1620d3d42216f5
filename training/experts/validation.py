"""What the experts paint while they learn: a sheet of content, style reference, result and target."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...flux.velocity import Reference
from ...storage.contact_sheet import write_sheet
from ..adapters.sampling import sample
from ..bases import Base
from .config import ExpertsTrainConfig
from .examples import Examples
from .routed_linear import Style


class Validation:
    """Paints the same few triplets, all that `examples` holds, from the same noise, whenever it is asked to."""

    def __init__(self, config: ExpertsTrainConfig, base: Base, examples: Examples) -> None:
        self.config, self.base, self.examples = config, base, examples
        self.chosen = examples.triplets

    @torch.no_grad()
    def paint(self, transformer: torch.nn.Module, style: Style, device: torch.device) -> Tensor:
        """Latents [B, 16, H, W] of the chosen triplets, by Euler steps as ComfyUI's `euler` and `simple` make them."""
        content, reference = self._latents("content").to(device), self._latents("reference").to(device)
        if self.examples.styles:
            style.show(self.examples.style([row.reference for row in self.chosen]).to(device))
        references = [Reference(content)]
        if self.config.style_reference:
            references.append(Reference.of_style(reference, rows=self.config.style_rows))
        states, pooled = self.examples.prompts.of([row.prompt for row in self.chosen])
        text = states.to(device), pooled.to(device)
        noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(self.config.seed))
        return sample(transformer, noise.to(device), references, text, self.config.guidance)

    def sheet(self, latents: Tensor, path: Path) -> np.ndarray:
        """Write the sheet and give its pixels [H, W, 3] back."""
        columns = [self._latents(part) for part in ("content", "reference", "stylised")]
        columns.insert(2, latents.float().cpu())
        rows = [[self._image(column[row]) for column in columns] for row in range(len(self.chosen))]
        write_sheet(rows, path)
        return np.concatenate([np.concatenate(row, axis=1) for row in rows])

    def _latents(self, part: str) -> Tensor:
        return self.examples.latents([getattr(row, part) for row in self.chosen])

    def _image(self, latents: Tensor) -> np.ndarray:
        """[16, H, W] -> [8 H, 8 W, 3], one at a time: the decoder of a full FLUX needs gigabytes for each."""
        return self.base.decode(latents[None])[0].float().cpu().permute(1, 2, 0).numpy()
