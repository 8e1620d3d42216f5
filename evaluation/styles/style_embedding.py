"""Style embeddings of images from the style encoder inside an expert file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor

from ...errors import TrainingError
from ...moe import StyleExpert
from ...storage.image_reader import read_image
from ...training.style_encoder.states import stored_layers
from ...training.style_encoder.vision import Vision, require_layers
from ..images import middle_square

BATCH_SIZE = 32
"""Images that the vision model reads at once."""


def embed_styles(expert: StyleExpert, vision: Vision, images: Sequence[Path]) -> Tensor:
    """The style embeddings [N, cond_dim] of the middle squares of N image files.

    Raises:
        DataError: a file cannot be read as an image.
        TrainingError: the encoder does not fit the vision model.
    """
    _require_fit(expert, vision)
    batches = (images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE))
    return torch.cat([embed_images(expert, vision, [middle_square(read_image(file)) for file in b]) for b in batches])


@torch.no_grad()
def embed_images(expert: StyleExpert, vision: Vision, images: list[Image]) -> Tensor:
    """The style embeddings [N, cond_dim] of N square images, all read at once.

    Raises:
        TrainingError: the encoder does not fit the vision model.
    """
    _require_fit(expert, vision)
    return expert.encoder(vision.read(images, stored_layers(expert.encoder_config.taps)).states)


def _require_fit(expert: StyleExpert, vision: Vision) -> None:
    require_layers(vision, expert.encoder_config.taps)
    expected = expert.encoder_config.num_tokens, expert.encoder_config.hidden_size
    if expected != (vision.num_tokens, vision.hidden_size):
        raise TrainingError(
            f"the style encoder of {expert.path} reads {expected[0]} tokens x {expected[1]}, but {vision.file} has "
            f"{vision.num_tokens} x {vision.hidden_size}: give experts whose encoder was trained with --vision tiny"
        )
