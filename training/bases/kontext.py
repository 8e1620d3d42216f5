"""FLUX.1 Kontext from diffusers as a base model."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, FluxKontextPipeline, FluxTransformer2DModel
from torch import Tensor
from transformers import T5TokenizerFast

from ...errors import TrainingError
from ..hub import hub_problem

T5_TOKENS = 128
"""Length of a prompt in tokens, as in StyleExpert's published inference code."""

_SAMPLE = 2**16
"""Bytes at each end of a weight file that its digest reads; reading the whole file would take minutes."""


class KontextBase:
    """Implements ``Base`` with a pipeline in diffusers' layout, by hub name or folder.

    Raises:
        TrainingError: there is no pipeline, or it belongs to another family of models.
    """

    name = "flux-kontext"

    def __init__(
        self,
        source: str,
        device: str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        text_tokens: int = T5_TOKENS,
    ) -> None:
        self.source, self.device, self.dtype = source, device, dtype
        sizes = _transformer_config(source)
        self.text_sizes = text_tokens, sizes["joint_attention_dim"], sizes["pooled_projection_dim"]
        self.identity = f"{source} {dtype} {_digest(Path(source))}"
        self.encodings = (self.identity,)

    @torch.no_grad()
    def encode(self, images: Tensor, encoding: str | None = None) -> Tensor:
        posterior = self._vae.encode((images * 2 - 1).to(self.device, self.dtype)).latent_dist
        return (posterior.mode().float() - self._vae.config.shift_factor) * self._vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        scaled = latents / self._vae.config.scaling_factor + self._vae.config.shift_factor
        return (self._vae.decode(scaled.to(self.device, self.dtype)).sample.float() / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        states, pooled, _ = self._text.encode_prompt(
            list(prompts), prompt_2=None, device=self.device, max_sequence_length=self.text_sizes[0]
        )
        return states.float(), pooled.float()

    def transformer(self) -> FluxTransformer2DModel:
        return FluxTransformer2DModel.from_pretrained(self.source, subfolder="transformer", torch_dtype=self.dtype)

    def free_encoders(self) -> None:
        for part in ("_text", "_vae"):
            self.__dict__.pop(part, None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @cached_property
    def tokenizer(self) -> T5TokenizerFast:
        return T5TokenizerFast.from_pretrained(self.source, subfolder="tokenizer_2")

    # VAE and text encoders load separately: validation decodes images beside the transformer, and T5 takes 9 GB.
    @cached_property
    def _vae(self) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(self.source, subfolder="vae", torch_dtype=self.dtype).to(self.device)

    @cached_property
    def _text(self) -> FluxKontextPipeline:
        parts = FluxKontextPipeline.from_pretrained(self.source, transformer=None, vae=None, torch_dtype=self.dtype)
        return parts.to(self.device)


def _transformer_config(source: str) -> dict:
    """The transformer's configuration; checks that the pipeline is a FLUX with reference images and guidance.

    Raises:
        TrainingError: the pipeline is another model.
    """
    try:
        pipeline = DiffusionPipeline.load_config(source)
        kind = pipeline.get("transformer", [None, None])[1]
        sizes = FluxTransformer2DModel.load_config(source, subfolder="transformer") if kind else {}
    except (OSError, ValueError, AttributeError, TypeError, LookupError) as error:  # the last three: unexpected JSON
        if problem := hub_problem(error):
            raise TrainingError(f"{source} cannot be loaded: {problem}") from error
        raise TrainingError(
            f"{source} is no diffusers pipeline ({_first_line(error)}). Give the folder or the hub name of a "
            "FLUX.1 Kontext with a model_index.json, or `tiny`"
        ) from error
    if kind != "FluxTransformer2DModel":
        raise TrainingError(
            f"{source} is a {pipeline.get('_class_name')}, expected a FLUX.1 Kontext: "
            "give its folder or hub name, or `tiny`"
        )
    if "Kontext" not in str(pipeline.get("_class_name")):
        raise TrainingError(
            f"{source} is a {pipeline.get('_class_name')}, which was not trained with reference images. Give the "
            "folder or the hub name of a FLUX.1 Kontext (FluxKontextPipeline in its model_index.json), or `tiny`"
        )
    if sizes.get("in_channels") != 64 or not sizes.get("guidance_embeds"):
        raise TrainingError(
            f"{source} is a FLUX with {sizes.get('in_channels')} input channels and guidance_embeds "
            f"{sizes.get('guidance_embeds')}, expected 64 and True as in FLUX.1 Kontext: give a Kontext, or `tiny`"
        )
    return sizes


def _digest(folder: Path) -> str:
    """Digest of the weight files in a folder; constant for a hub name, which identifies the weights itself."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            file.seek(max(size - _SAMPLE, 0))
            digest.update(file.read())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")[:200]
