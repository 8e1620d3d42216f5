"""A Flux of ComfyUI's own class with random weights, on ComfyUI's device, and inputs for it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import comfy.model_management
import comfy.supported_models
import torch
from comfy.ldm.flux.model import FluxParams
from comfy.model_patcher import ModelPatcher
from torch import Tensor

HEAD = 128
"""Width of an attention head of FLUX.1."""
WEIGHT_SCALE = 0.02
"""Standard deviation of the random weights, near that of an initial weight of hidden size 3072."""
FORMS = {"float32": torch.float32, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}
"""Dtypes of the stored weights. ComfyUI chooses the dtype in which a device computes with them."""


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
        text: number of text tokens.
        form: a key of `FORMS`.
    """

    hidden: int = 1024
    double: int = 2
    single: int = 4
    cells: int = 64
    context: int = 128
    vector: int = 64
    text: int = 32
    form: str = "float32"

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
    """A Flux with random weights. As ComfyUI's loader does, it stays on the CPU until a sampler needs it."""
    management, dtype = comfy.model_management, FORMS[size.form]
    device, stored = management.get_torch_device(), management.unet_offload_device()
    config = comfy.supported_models.Flux(size.config())
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device))
    model = config.get_model({}, "", device=stored)
    generator = torch.Generator(device).manual_seed(0)  # a graphics card makes 12 billion numbers in seconds
    for weight in model.diffusion_model.parameters():
        values = torch.randn(weight.shape, generator=generator, device=device)
        weight.data = values.mul_(WEIGHT_SCALE if weight.ndim > 1 else 1.0).to(stored, dtype)
    model.diffusion_model.eval()
    return ModelPatcher(model, load_device=device, offload_device=stored)


def random_conditioning(size: ModelSize, references: int = 1, options: Mapping[str, Any] | None = None) -> list:
    """Random text with reference latents, and further options of the conditioning."""
    generator = torch.Generator().manual_seed(1)
    latents = [torch.randn(size.latent, generator=generator) for _ in range(references)]
    text = torch.randn(1, size.text, size.context, generator=generator)
    known = {"pooled_output": torch.zeros(1, size.vector), "guidance": 3.5, "reference_latents": latents}
    return [[text, known | dict(options or {})]]


def random_noise(size: ModelSize) -> Tensor:
    """Noise for one image."""
    return torch.randn(size.latent, generator=torch.Generator().manual_seed(2))
