"""Stage 3 of the small Kontext: trains the SigLIP vision tower with the sigmoid loss of images and captions."""

import math
import random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import SiglipVisionConfig, SiglipVisionModel

from .config import SIGLIP
from .edit_samples import EditSample, EditSamples
from .options import VisionConfig
from .prompts import Tokenizers
from .stage import Stage, StageTrainer


class CaptionTower(nn.Module):
    """Encodes captions of object and style names: the mean of the T5 token embeddings, then two linear layers."""

    def __init__(self, width: int, vocabulary: int = 32128) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, ids: Tensor) -> Tensor:
        """Encodes T5 ids [B, N] to vectors [B, width]."""
        return self.head(self.embedding(ids))


class ImageCaptionModel(nn.Module):
    """The vision tower and the caption tower, with SigLIP's learned temperature and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = SiglipVisionModel(SiglipVisionConfig(**SIGLIP))
        self.caption = CaptionTower(SIGLIP["hidden_size"])
        self.scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        """Returns the logits [B, B] of every image with every caption."""
        image_vectors = functional.normalize(self.vision(images).pooler_output, dim=-1)
        caption_vectors = functional.normalize(self.caption(ids), dim=-1)
        return image_vectors @ caption_vectors.T * self.scale.exp() + self.bias


def train_vision(stage: Stage, config: VisionConfig, samples: EditSamples, tokenizers: Tokenizers) -> SiglipVisionModel:
    """Trains on the photos and stylised images of the samples, from the stage's checkpoint."""
    model = ImageCaptionModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.peak_rate, betas=(0.9, 0.98), weight_decay=0.05)

    def loss_of(step: int) -> Tensor:
        chosen = _choose(samples, config, random.Random(step))
        images = normalize(samples.images[[sample.image for sample in chosen]])
        captions = [sample.caption for sample in chosen]
        logits = model(images, tokenizers(captions)[0])
        return sigmoid_loss(logits.float(), captions)

    StageTrainer(stage, model, optimizer, loss_of, clip=math.inf).train()
    return model.vision.eval()


def sigmoid_loss(logits: Tensor, captions: list[str]) -> Tensor:
    """Returns SigLIP's loss, -mean over rows of sum log sigmoid(+-logit); images with equal captions are matches."""
    same = torch.tensor([[1.0 if a == b else -1.0 for b in captions] for a in captions])
    return -functional.logsigmoid(same * logits).sum(1).mean()


def normalize(images: Tensor) -> Tensor:
    """Normalises uint8 images [B, 3, 128, 128] as the SigLIP processor does: mean and std 0.5."""
    return images.float() / 127.5 - 1


def _choose(samples: EditSamples, config: VisionConfig, rng: random.Random) -> list[EditSample]:
    kinds = ("stylise", "keep")
    shares = (config.painted_share, 1 - config.painted_share)
    return [rng.choice(samples.groups[kind]) for kind in rng.choices(kinds, shares, k=config.batch)]
