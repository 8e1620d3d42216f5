"""Stage 3 of the tiny Kontext: the SigLIP vision tower, by the sigmoid loss of images against captions."""

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import SiglipVisionConfig, SiglipVisionModel

from .checkpoints import Stage
from .config import SIGLIP
from .edit_samples import EditSample, EditSamples
from .loop import run_stage
from .prompts import Tokenizers


@dataclass(frozen=True)
class VisionConfig:
    """Schedule of the vision tower's training."""

    steps: int = 800
    batch: int = 64
    peak_rate: float = 1e-3
    painted_share: float = 0.8


class CaptionTower(nn.Module):
    """A caption as the mean of its T5 token embeddings through two linears: enough for names of objects and styles."""

    def __init__(self, width: int, vocabulary: int = 32128) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, ids: Tensor) -> Tensor:
        """T5 ids [B, N] -> [B, width]."""
        return self.head(self.embedding(ids))


class ImageCaptionModel(nn.Module):
    """Vision tower and caption tower with SigLIP's learned temperature and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = SiglipVisionModel(SiglipVisionConfig(**SIGLIP))
        self.caption = CaptionTower(SIGLIP["hidden_size"])
        self.scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        """Logits [B, B] of every image with every caption."""
        seen = functional.normalize(self.vision(images).pooler_output, dim=-1)
        told = functional.normalize(self.caption(ids), dim=-1)
        return seen @ told.T * self.scale.exp() + self.bias


def train_vision(stage: Stage, config: VisionConfig, samples: EditSamples, tokenizers: Tokenizers) -> SiglipVisionModel:
    """Train on the samples' photos and paintings, resuming from the stage's checkpoint."""
    model = ImageCaptionModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.peak_rate, betas=(0.9, 0.98), weight_decay=0.05)
    stage.restore(model=model, optimizer=optimizer)

    def loss_of(step: int) -> Tensor:
        chosen = _choose(samples, config, random.Random(step))
        images = normalize(samples.images[[sample.image for sample in chosen]])
        captions = [sample.caption for sample in chosen]
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(images, tokenizers(captions)[0])
        return sigmoid_loss(logits.float(), captions)

    run_stage(stage, model, optimizer, loss_of, clip=math.inf)
    return model.vision.eval()


def sigmoid_loss(logits: Tensor, captions: list[str]) -> Tensor:
    """SigLIP's loss, images with equal captions counted as matches: -mean over rows of sum log sigmoid(+-logit)."""
    same = torch.tensor([[1.0 if a == b else -1.0 for b in captions] for a in captions])
    return -functional.logsigmoid(same * logits).sum(1).mean()


def normalize(images: Tensor) -> Tensor:
    """uint8 images [B, 3, 128, 128] as the SigLIP processor gives them: mean and std 0.5."""
    return images.float() / 127.5 - 1


def _choose(samples: EditSamples, config: VisionConfig, rng: random.Random) -> list[EditSample]:
    kinds = ("stylise", "keep")
    shares = (config.painted_share, 1 - config.painted_share)
    return [rng.choice(samples.groups[kind]) for kind in rng.choices(kinds, shares, k=config.batch)]
