"""The edited images of the evaluation, each generated once and kept as a file."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...dataset.scenes import Scene
from ...paths import PACK
from ...training.tiny.autoencoder import Autoencoder
from ...training.tiny.prompts import Tokenizers
from ...training.tiny.shipped import load_autoencoder, load_kontext
from ...training.tiny.train_kontext import edit
from ..generated_images import digest_folder
from .config import TinyEvaluationConfig


@dataclass(frozen=True)
class EditJob:
    """One image to generate.

    Attributes:
        size: height and width in pixels.
        scene: digest of the scene's pixels.
        prompt: the instruction.
        seed: seed of the noise.
    """

    size: tuple[int, int]
    scene: str
    prompt: str
    seed: int

    @property
    def relative_path(self) -> Path:
        """File of the image, relative to the folder of all images."""
        return Path(f"{self.size[0]}x{self.size[1]}") / f"{self.prompt.replace(' ', '_')}-{self.scene}-{self.seed}.png"


EditGenerator = Callable[[EditJob], Image.Image]
OpenEditGenerator = Callable[[TinyEvaluationConfig, Mapping[str, Scene]], AbstractContextManager[EditGenerator]]
"""Opens the function that generates an image, for the scenes by digest."""


def scene_digest(scene: Scene) -> str:
    """Returns a short digest of a scene's pixels."""
    return hashlib.sha256(np.ascontiguousarray(scene.image).tobytes()).hexdigest()[:12]


def edits_folder(config: TinyEvaluationConfig) -> Path:
    """Returns the folder of the images; it ends with a digest of the weights, the sampler's code and its steps."""
    code = (path for folder in ("flux", "training/tiny") for path in sorted((PACK / folder).glob("*.py")))
    files = (*sorted(config.models.glob("*.safetensors")), *code)
    return config.output / "images" / digest_folder("edits", f"{config.steps} steps", files)


@contextmanager
def open_edit_generator(config: TinyEvaluationConfig, scenes: Mapping[str, Scene]) -> Iterator[EditGenerator]:
    """Opens the small Kontext, which edits the scene of a job by its prompt."""
    autoencoder, kontext, tokenizers = load_autoencoder(config.models), load_kontext(config.models), Tokenizers()

    @torch.no_grad()
    def generate(job: EditJob) -> Image.Image:
        reference = autoencoder.encode(to_batch(scenes[job.scene].image))
        latents = edit(kontext, reference, [job.prompt], tokenizers, steps=config.steps, seed=job.seed)
        return Image.fromarray(to_bytes(autoencoder.decode(latents)))

    yield generate


@torch.no_grad()
def round_trip(autoencoder: Autoencoder, image: np.ndarray) -> np.ndarray:
    """Encodes and decodes an image [H, W, 3] in 0..1, rounded to 8 bits: the best that an edit can reach."""
    return to_bytes(autoencoder.decode(autoencoder.encode(to_batch(image)))).astype(np.float32) / 255


def to_batch(image: np.ndarray) -> Tensor:
    """[H, W, 3] in 0..1 -> [1, 3, H, W]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def to_bytes(images: Tensor) -> np.ndarray:
    """[1, 3, H, W] in 0..1 -> [H, W, 3] uint8, rounded."""
    return (images.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
