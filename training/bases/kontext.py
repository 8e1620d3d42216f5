"""FLUX.1 Kontext through diffusers, as a base to train adapters for."""

from collections.abc import Sequence
from functools import cached_property

import torch
from diffusers import DiffusionPipeline, FluxKontextPipeline, FluxTransformer2DModel
from torch import Tensor

from ..run_folder import TrainingError

T5_TOKENS = 128
"""Length of a prompt in StyleExpert's published inference."""


class KontextBase:
    """Implements ``Base`` with a pipeline in diffusers' layout, a hub name or a folder.

    Raises:
        TrainingError: there is none, or it is of another family.
    """

    name = "flux-kontext"

    def __init__(self, source: str, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> None:
        self.source, self.device, self.dtype = source, device, dtype
        self.identity = f"{source} {dtype}"
        self._require_flux()

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        vae = self._encoders.vae
        posterior = vae.encode((pictures * 2 - 1).to(self.device, self.dtype)).latent_dist
        return (posterior.mode().float() - vae.config.shift_factor) * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        vae = self._encoders.vae
        scaled = latents / vae.config.scaling_factor + vae.config.shift_factor
        return (vae.decode(scaled.to(self.device, self.dtype)).sample.float() / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        states, pooled, _ = self._encoders.encode_prompt(
            list(prompts), device=self.device, max_sequence_length=T5_TOKENS
        )
        return states.float(), pooled.float()

    def transformer(self) -> FluxTransformer2DModel:
        return FluxTransformer2DModel.from_pretrained(self.source, subfolder="transformer", torch_dtype=self.dtype)

    def free_encoders(self) -> None:
        self.__dict__.pop("_encoders", None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @cached_property
    def _encoders(self) -> FluxKontextPipeline:
        pipeline = FluxKontextPipeline.from_pretrained(self.source, transformer=None, torch_dtype=self.dtype)
        return pipeline.to(self.device)

    def _require_flux(self) -> None:
        try:
            family = DiffusionPipeline.load_config(self.source)["_class_name"]
        except OSError as error:
            raise TrainingError(
                f"{self.source} is no diffusers pipeline: give the folder or the hub name of a FLUX.1 Kontext "
                f"(with model_index.json in it), or `tiny`. diffusers said: {str(error)[:200]}"
            ) from error
        if not str(family).startswith("Flux"):
            raise TrainingError(
                f"{self.source} is a {family}, and these adapters are for FLUX: give a FLUX.1 Kontext, or `tiny`"
            )
