"""Style embeddings of images, by the style encoder that an expert file brings along."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ...errors import TrainingError
from ...moe import StyleExpert
from ...training.style_encoder.states import stored_layers
from ...training.style_encoder.vision import Vision, require_layers
from ..images import open_image

AT_ONCE = 32
"""Images that the vision model sees."""


@torch.no_grad()
def embed_styles(expert: StyleExpert, vision: Vision, images: Sequence[Path]) -> Tensor:
    """[N, cond_dim].

    Raises:
        TrainingError: the encoder does not read what the vision model gives.
    """
    _require_fit(expert, vision)
    layers, found = stored_layers(expert.encoder_config.taps), []
    for start in range(0, len(images), AT_ONCE):
        opened = [Image.fromarray(open_image(path)) for path in images[start : start + AT_ONCE]]
        found.append(expert.encoder(vision.read(opened, layers).states))
    return torch.cat(found)


def _require_fit(expert: StyleExpert, vision: Vision) -> None:
    require_layers(vision, expert.encoder_config.taps)
    reads = expert.encoder_config.num_tokens, expert.encoder_config.hidden_size
    if reads != (vision.num_tokens, vision.hidden_size):
        raise TrainingError(
            f"{expert.path}'s style encoder reads {reads[0]} tokens x {reads[1]}, but {vision.file} gives "
            f"{vision.num_tokens} x {vision.hidden_size}: give experts whose encoder was trained with --vision tiny"
        )
