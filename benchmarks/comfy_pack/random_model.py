"""A Flux of ComfyUI's own class with random weights, and inputs for it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import comfy.supported_models
import torch
from comfy.ldm.flux.model import FluxParams
from comfy.model_patcher import ModelPatcher
from torch import Tensor

TEXT_TOKENS = 32
HEAD = 128
"""Width of an attention head of FLUX.1."""
WEIGHT_SCALE = 0.02
"""Standard deviation of the random weights, near that of an initial weight of hidden size 3072."""


@dataclasses.dataclass(frozen=True)
class ModelSize:
    """Sizes of a random Flux and of its latents.

    Attributes:
        hidden: width of a token.
        double: number of double blocks.
        single: number of single blocks.
        cells: side of the latents.
        context: width of a text token before the model.
        vector: width of the pooled text.
    """

    hidden: int = 1024
    double: int = 2
    single: int = 4
    cells: int = 64
    context: int = 128
    vector: int = 64

    @property
    def latent(self) -> tuple[int, int, int, int]:
        """Shape of the latents of one image."""
        return 1, 16, self.cells, self.cells

    def config(self) -> dict[str, Any]:
        """The configuration that ComfyUI reads."""
        config = {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "patch_size": 2,
            "context_in_dim": self.context,
            "vec_in_dim": self.vector,
            "hidden_size": self.hidden,
            "num_heads": self.hidden // HEAD,
            "mlp_ratio": 4.0,
            "depth": self.double,
            "depth_single_blocks": self.single,
            "axes_dim": [16, 56, 56],
            "theta": 10000,
            "qkv_bias": True,
            "guidance_embed": True,
        }
        known = {field.name for field in dataclasses.fields(FluxParams)}
        return config | ({"txt_ids_dims": []} if "txt_ids_dims" in known else {})


def random_flux(size: ModelSize) -> ModelPatcher:
    """A Flux with random weights, in float32 on the CPU."""
    config = comfy.supported_models.Flux(size.config())
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "")
    generator = torch.Generator().manual_seed(0)
    for weight in model.diffusion_model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * (WEIGHT_SCALE if weight.ndim > 1 else 1.0)
    model.diffusion_model.eval()
    return ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def random_conditioning(size: ModelSize, references: int = 1, options: Mapping[str, Any] | None = None) -> list:
    """Random text with reference latents, and further options of the conditioning."""
    generator = torch.Generator().manual_seed(1)
    latents = [torch.randn(size.latent, generator=generator) for _ in range(references)]
    text = torch.randn(1, TEXT_TOKENS, size.context, generator=generator)
    known = {"pooled_output": torch.zeros(1, size.vector), "guidance": 3.5, "reference_latents": latents}
    return [[text, known | dict(options or {})]]


def random_noise(size: ModelSize) -> Tensor:
    """Noise for one image."""
    return torch.randn(size.latent, generator=torch.Generator().manual_seed(2))
