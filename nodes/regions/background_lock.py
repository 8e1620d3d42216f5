"""Background lock: outside the region, a sampler's latent is held to the clean image."""

from collections.abc import Callable
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...attention import AttentionError
from ..maps.recorded_maps import RecordedMaps
from ..maps.region_mask import has_region, region_shape

FROM_NOISE = 0.5
"""Noise level (sigma, 0 to 1) from which on the background is held. Before it the maps are coarse, and the painting of
the object takes shape: held from the first step, some objects stay unpainted. What is held in the end is exact all the
same."""


def locked(model: ModelPatcher, maps: RecordedMaps, region: str, context: Tensor, strength: float) -> ModelPatcher:
    """A clone of `model` that is held to `context` outside the region, by the maps captured so far.

    What is held is x0, the model's guess of the clean latent, at every step of little noise (FROM_NOISE), the last one
    in any case: the sampler then goes to the context by itself, and the noise left at a step stays that of the step.
    Inside, x0 is free however sure the maps are of their place. Only where they are all but even is there no inside,
    and the whole image is held: what was asked for is not in it, as far as is known, so that there is nothing to
    change.

    Args:
        model: a captured model, which fills `maps`.
        maps: of the same run.
        region: whose maps make the region.
        context: clean latents [B or 1, C, H, W], as the VAE gives them.
        strength: 0 leaves them free, 1 gives exactly the context where the region is 0.
    """
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(_hold(maps, region, context, strength))
    return clone


def clean_context(conditioning: list, latent: Tensor) -> Tensor:
    """The image to hold to: the first reference latent, if it is as high and wide as `latent` [B, C, H, W].

    References behind it are of something else, a style image for instance. Channels do not count: Empty Latent Image
    makes 4, and a sampler as many as its model has.

    Raises:
        AttentionError: there is no reference, or none of that size.
    """
    references = [latents for _, options in conditioning for latents in (options.get("reference_latents") or ())[:1]]
    if not references:
        raise AttentionError(
            "The background lock has no clean image to hold to: the conditioning has no reference; "
            "connect the image's latent by Reference Latent, or set background_lock to 0."
        )
    fitting = [latents for latents in references if latents.shape[-2:] == latent.shape[-2:]]
    if not fitting:
        sizes = " and ".join(_pixels(latents) for latents in references)
        raise AttentionError(
            f"The background lock needs a reference of the size of the latent, which is {_pixels(latent)}, but the "
            f"reference is {sizes}; use the reference's own latent as latent_image, or set background_lock to 0."
        )
    if len(fitting[0]) not in (1, len(latent)):
        raise AttentionError(
            f"The reference holds {len(fitting[0])} images and the latent {len(latent)}; give one for all, or as many."
        )
    return fitting[0]


def require_region(maps: RecordedMaps, region: str) -> None:
    """Refuses an image whose background was never held.

    Raises:
        AttentionError: no map came of which the region could be told.
    """
    if not has_region(maps, region):
        raise AttentionError(
            "The background lock held nothing, as no map of the region was captured: 'capture_steps' names none of "
            "the steps that ran, or another node has replaced the model's blocks; capture all steps, take that node "
            "away, or set background_lock to 0."
        )


def _hold(maps: RecordedMaps, region: str, context: Tensor, strength: float) -> Callable[[dict[str, Any]], Tensor]:
    # A plain function: ComfyUI 0.3.75 copies bound methods, with all that they hold, when a model is cloned.
    def hold(args: dict[str, Any]) -> Tensor:
        denoised = args["denoised"]
        if not has_region(maps, region) or not _held_at(args):
            return denoised
        free = region_shape(maps, region, denoised.shape[-2:])[:, None].to(denoised)
        clean = args["model"].process_latent_in(context.to(denoised))
        return torch.lerp(denoised, clean, strength * (1 - free))

    return hold


def _held_at(args: dict[str, Any]) -> bool:
    """Whether the background is held at the step of these arguments of ComfyUI's."""
    sigmas = args["model_options"]["transformer_options"].get("sample_sigmas")
    if sigmas is None or len(sigmas) < 2:
        return True
    return args["sigma"].max().item() <= max(FROM_NOISE, sigmas[-2].item())


def _pixels(latents: Tensor) -> str:
    return f"{latents.shape[-1] * 8} x {latents.shape[-2] * 8}"
