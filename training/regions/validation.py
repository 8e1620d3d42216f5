"""What a region expert paints while it learns: a sheet of original, mask, map, result and target."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...attention import heat_map, resize, soft_mask
from ...flux.velocity import Reference
from ...storage.contact_sheet import write_sheet
from ..adapters.sampling import sample
from ..bases import Base
from .config import RegionTrainConfig
from .examples import RegionExamples, make_batch
from .losses import share_inside
from .trainer import RegionTrainer, flow_matching_loss, target_rows

IMAGES = 6
SIGMA = 0.5
"""Noise level at which the maps are looked at."""


class Validation:
    """Paints the same few examples from the same noise whenever it is asked to, and measures their maps."""

    def __init__(self, config: RegionTrainConfig, base: Base, examples: RegionExamples) -> None:
        self.config, self.base = config, base
        self.batch = make_batch(examples, range(min(IMAGES, len(examples.rows))))

    def run(self, trainer: RegionTrainer, path: Path) -> tuple[np.ndarray, dict[str, float]]:
        """Write the sheet; gives its pixels [H, W, 3] and the maps' figures by name."""
        device = trainer.accelerator.device
        with torch.no_grad(), trainer.accelerator.autocast():
            maps = self._maps(trainer, device)
            latents = self._paint(trainer, device)
        mean = torch.stack(list(maps.values())).mean(0)
        masks = self.batch.masks
        heat = heat_map(mean.unflatten(-1, masks.shape[-2:]))
        figures = {"validation/attention inside": share_inside([mean], masks), "validation/iou": _iou(heat, masks)}
        return self._sheet(heat, latents.float().cpu(), path), figures

    def _maps(self, trainer: RegionTrainer, device: torch.device) -> dict[str, Tensor]:
        """By block [B, S, h * w], on the CPU, at one noise level of the targets."""
        batch = self.batch.to(device)
        trainer.capture.expect(batch.spans, target_rows(batch))
        sigma = torch.full((len(batch.styled),), SIGMA, device=device)
        with torch.compiler.set_stance("force_eager"):
            flow_matching_loss(trainer.transformer, batch, self._noise().to(device), sigma, self.config)
        maps = {block: found.float().cpu() for block, found in trainer.capture.take().items()}
        trainer.capture.rest()
        return maps

    def _paint(self, trainer: RegionTrainer, device: torch.device) -> Tensor:
        batch = self.batch.to(device)
        reference = Reference(batch.original, self.config.reference_index)
        noise = self._noise().to(device)
        return sample(trainer.transformer, noise, [reference], batch.text, self.config.guidance)

    def _noise(self) -> Tensor:
        return torch.randn(self.batch.styled.shape, generator=torch.Generator().manual_seed(self.config.seed))

    def _sheet(self, heat: Tensor, latents: Tensor, path: Path) -> np.ndarray:
        """A row an example; mask and map of its first mention."""
        rows = []
        for place, (original, target) in enumerate(zip(self.batch.original, self.batch.styled, strict=True)):
            shown = [self._image(part) for part in (original, latents[place], target)]
            grey = (_grey(part[place, 0], shown[0].shape[:2]) for part in (self.batch.masks, heat))
            rows.append([shown[0], *grey, *shown[1:]])
        write_sheet(rows, path)
        return np.concatenate([np.concatenate(row, axis=1) for row in rows])

    def _image(self, latents: Tensor) -> np.ndarray:
        """[16, H, W] -> [8 H, 8 W, 3], one at a time: the decoder of a full FLUX needs gigabytes for each."""
        return self.base.decode(latents[None])[0].float().cpu().permute(1, 2, 0).numpy()


def _grey(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """[h, w] in 0..1 -> [H, W, 3]."""
    return resize(values[None], size)[0].clamp(0, 1).numpy()[..., None].repeat(3, axis=-1)


def _iou(heat: Tensor, masks: Tensor) -> float:
    """Mean IoU of the maps, parted by Otsu's threshold, with the masks; [B, S, h, w] each."""
    shown = masks.flatten(2).sum(-1) > 0
    found, true = soft_mask(heat, smoothing=0)[shown] > 0.5, masks[shown] > 0.5
    union = (found | true).flatten(1).sum(1).clamp_min(1)
    return ((found & true).flatten(1).sum(1) / union).mean().item()
