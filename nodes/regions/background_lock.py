"""Background lock: keeps a sampler's latent at the reference image outside the region."""

from collections.abc import Callable
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...attention import AttentionError
from ..maps.recorded_maps import RecordedMaps
from ..maps.region_mask import has_region, unscaled_region_mask

MAX_SIGMA = 0.5
"""Highest noise level (sigma, 0 to 1) at which the lock acts. At higher levels the maps are coarse and the style takes
shape: a lock from the first step leaves some objects without the style. The final background is exact in any case."""


def with_background_lock(
    model: ModelPatcher, maps: RecordedMaps, region: str, reference: Tensor, strength: float
) -> ModelPatcher:
    """A clone of `model` whose background stays at `reference`. The maps captured so far define the region.

    The lock replaces x0, the model's prediction of the clean latent, outside the region. It acts at every step up to
    MAX_SIGMA and always at the last step. The noise of a step stays as it is, so every sampler works.
    Inside the region x0 is free at any contrast of the maps. If the map is nearly uniform, no region was found and the
    whole image is kept.

    Args:
        model: a captured model, which fills `maps`.
        maps: the maps of the same run.
        region: the phrases whose maps define the region, a key of ROLES.
        reference: clean latents [B or 1, C, H, W], as the VAE encodes them.
        strength: 0 leaves the background free, 1 keeps it exactly at the reference.
    """
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(_lock(maps, region, reference, strength))
    return clone


def lock_reference(conditioning: list, latent: Tensor) -> Tensor:
    """The first reference latent, which the lock keeps. It must have the size of `latent` [B, C, H, W].

    Later references show something else, for instance a style image. The number of channels may differ: Empty Latent
    Image makes 4, and the sampler replaces them by the model's number.

    Raises:
        AttentionError: there is no reference, or it has another size or another number of images.
    """
    references = [latents for _, options in conditioning for latents in (options.get("reference_latents") or ())[:1]]
    if not references:
        raise AttentionError(
            "The background lock needs a reference image, but the conditioning has none. Connect the image's latent "
            "with Reference Latent, or set background_lock to 0."
        )
    fitting = [latents for latents in references if latents.shape[-2:] == latent.shape[-2:]]
    if not fitting:
        sizes = " and ".join(_pixels(latents) for latents in references)
        raise AttentionError(
            f"The background lock needs a reference of the latent's size {_pixels(latent)}, but the reference has "
            f"{sizes}. Use the reference's own latent as latent_image, or set background_lock to 0."
        )
    if len(fitting[0]) not in (1, len(latent)):
        raise AttentionError(
            f"The reference has {len(fitting[0])} images, but the latent has {len(latent)}. Connect one reference "
            "image, or one for each latent."
        )
    return fitting[0]


def require_region(maps: RecordedMaps, region: str) -> None:
    """Refuses a finished image whose background was never locked.

    Raises:
        AttentionError: no map of the region was captured.
    """
    if not has_region(maps, region):
        reason = maps.missing or "No map of the region was captured. Capture all steps."
        raise AttentionError(f"The background lock had no effect. {reason} Or set background_lock to 0.")


def _lock(maps: RecordedMaps, region: str, reference: Tensor, strength: float) -> Callable[[dict[str, Any]], Tensor]:
    # A plain function, because ComfyUI 0.3.75 copies bound methods with their objects when it clones a model.
    def lock(args: dict[str, Any]) -> Tensor:
        denoised = args["denoised"]  # x0 [B, C, H, W]
        if not has_region(maps, region) or not _is_active(args):
            return denoised
        size = denoised.shape[-2], denoised.shape[-1]
        inside = unscaled_region_mask(maps, region, size)[:, None].to(denoised)  # [B, 1, H, W]
        clean = args["model"].process_latent_in(reference.to(denoised))
        return torch.lerp(denoised, clean, strength * (1 - inside))

    return lock


def _is_active(args: dict[str, Any]) -> bool:
    """Whether the lock acts at this step: sigma is at most MAX_SIGMA, or the step is the last one."""
    sigmas = args["model_options"]["transformer_options"].get("sample_sigmas")
    if sigmas is None or len(sigmas) < 2:
        return True
    return args["sigma"].max().item() <= max(MAX_SIGMA, sigmas[-2].item())


def _pixels(latents: Tensor) -> str:
    return f"{latents.shape[-1] * 8} x {latents.shape[-2] * 8}"
