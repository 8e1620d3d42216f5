"""The frozen SigLIP vision tower whose hidden states the style encoder reads."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from torch import Tensor
from torchvision.transforms.functional import to_tensor
from transformers import AutoConfig, SiglipImageProcessor, SiglipVisionModel

from ...errors import TrainingError
from ...moe.config import SIGLIP_FILE, TINY_SIGLIP
from ..hub import hub_problem
from ..tiny.edit_samples import vision_size
from ..tiny.shipped import load_vision as load_tiny
from ..tiny.train_vision import normalize

TINY = "tiny"
_FILES = {TINY: TINY_SIGLIP, "google/siglip-so400m-patch14-384": SIGLIP_FILE}
"""The file name of a model for ComfyUI's users, by the model's name."""
_KNOWN_TYPES = ("siglip", "siglip_vision_model")


@dataclass(frozen=True)
class VisionOutput:
    """States [B, L, T, D] of the requested layers, and one pooled vector per image [B, D]."""

    states: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Vision:
    """A SigLIP vision tower with its image preprocessing.

    Attributes:
        model: the tower, frozen, in float32.
        prepare: converts images to pixel values [B, 3, S, S].
        file: the model's file name for ComfyUI's users; if unknown, the model's name.
        has_head: whether the pooling head is trained; if not, the mean of the last states is the pooled vector.
        identity: digest of the weights and the preprocessing.
    """

    model: SiglipVisionModel
    prepare: Callable[[list[Image]], Tensor]
    file: str
    has_head: bool
    identity: str

    @property
    def num_layers(self) -> int:
        return self.model.config.num_hidden_layers

    @property
    def num_tokens(self) -> int:
        """T: number of patches of an image."""
        return (self.model.config.image_size // self.model.config.patch_size) ** 2

    @property
    def hidden_size(self) -> int:
        """D: width of the states."""
        return self.model.config.hidden_size

    @torch.no_grad()
    def read(self, images: list[Image], layers: tuple[int, ...]) -> VisionOutput:
        """Returns the states of `layers` (counted from the end) and the pooled vectors, float32 on the CPU."""
        output = self.model(self.prepare(images).to(self.model.device), output_hidden_states=True)
        states = torch.stack([output.hidden_states[layer] for layer in layers], dim=1)  # [B, L, T, D]
        pooled = output.pooler_output if self.has_head else output.last_hidden_state.mean(dim=1)
        return VisionOutput(states.float().cpu(), pooled.float().cpu())


def load_vision(name: str, device: str | torch.device = "cpu") -> Vision:
    """Loads a SigLIP by its name on Hugging Face, from a folder, or from the demo pack ("tiny").

    Raises:
        TrainingError: the model is missing, is not a SigLIP, or lacks weights.
    """
    if name == TINY:
        model, prepare, preparation, has_head = load_tiny(), _prepare_tiny, "", False
    else:
        model, processor = _load_siglip(name)
        prepare, has_head = partial(_prepare, processor), getattr(model.config, "vision_use_head", True)
        preparation = str([processor.image_mean, processor.image_std, int(processor.resample)])
    identity = _digest(model, has_head, preparation)
    model = model.eval().requires_grad_(False).to(device)
    return Vision(model, prepare, _FILES.get(name, name), has_head, identity)


def require_layers(vision: Vision, taps: tuple[int, ...]) -> None:
    """Checks that the taps are layers of the vision model.

    Raises:
        TrainingError: the vision model has fewer layers.
    """
    if vision.num_layers < -min(taps):
        raise TrainingError(
            f"taps reach layer {min(taps)} from the end, but {vision.file} has {vision.num_layers} layers: "
            "give other taps, or another vision model"
        )


def _load_siglip(name: str) -> tuple[SiglipVisionModel, SiglipImageProcessor]:
    kind = _opened(name, lambda: AutoConfig.from_pretrained(name).model_type)
    if kind not in _KNOWN_TYPES:
        raise TrainingError(f"vision = {name} is a model of the kind {kind!r}, expected a SigLIP: choose another")
    model, loaded = _opened(
        name, lambda: SiglipVisionModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    )
    if missing := sorted(loaded["missing_keys"]):
        raise TrainingError(
            f"vision = {name} lacks {len(missing)} weights of a SigLIP, for instance {missing[0]}: give a complete copy"
        )
    processor = _opened(name, lambda: SiglipImageProcessor.from_pretrained(name))
    side = model.config.image_size
    if {processor.size["height"], processor.size["width"]} != {side}:
        raise TrainingError(
            f"vision = {name} takes images of {side} x {side}, but its preprocessor_config.json says "
            f"{processor.size['height']} x {processor.size['width']}: give the file that belongs to this model"
        )
    return model, processor


def _opened(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if problem := hub_problem(error):
            raise TrainingError(f"vision = {name} cannot be opened: {problem}") from error
        reason = str(error).split("\n")[0].rstrip(".")
        raise TrainingError(
            f"vision = {name} cannot be opened ({reason}): give the name of a SigLIP on Hugging Face, a folder with "
            "its config.json, model.safetensors and preprocessor_config.json, or tiny"
        ) from error


def _prepare(processor: SiglipImageProcessor, images: list[Image]) -> Tensor:
    return processor(images=images, return_tensors="pt")["pixel_values"]


def _prepare_tiny(images: list[Image]) -> Tensor:
    return torch.cat([normalize(_tiny_pixels(image)) for image in images])


def _tiny_pixels(image: Image) -> Tensor:
    """Returns uint8 [1, 3, 128, 128], rounded like the training images of the tiny SigLIP."""
    pixels = to_tensor(image.convert("RGB"))[None]
    return (vision_size(pixels) * 255).round().byte()


def _digest(model: SiglipVisionModel, has_head: bool, preparation: str) -> str:
    """Digest of the preprocessing and of all weights, except those of an untrained head, which are random."""
    digest = hashlib.sha256(f"{preparation} {model.config.image_size} {model.config.patch_size}".encode())
    for name, weight in sorted(model.state_dict().items()):
        if has_head or ".head." not in f".{name}":
            digest.update(name.encode())
            digest.update(weight.float().contiguous().numpy())
    return digest.hexdigest()
