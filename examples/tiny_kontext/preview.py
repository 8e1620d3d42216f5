"""The colours of ComfyUI's live preview. Those of FLUX do not fit the small VAE: its latents have other channels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from comfy.latent_formats import LatentFormat
from safetensors import SafetensorError, safe_open

from .errors import TinyKontextError

METADATA_KEY = "latent_preview"
"""Name of the factors in the metadata of vae.safetensors: JSON with the values of `FACTORS` and `BIAS`."""

FACTORS, BIAS = "latent_rgb_factors", "latent_rgb_factors_bias"
"""Names of both parts, in the file and in ComfyUI's latent formats: [16, 3] and [3] numbers."""


def set_preview(latent_format: LatentFormat, vae_file: Path) -> None:
    """Sets the factors of the live preview to those in the VAE's file. A file without factors changes nothing.

    Raises:
        TinyKontextError: the file is broken, or its factors do not fit the latents.
    """
    entry = _read_entry(vae_file)
    if entry is None:
        return
    channels = latent_format.latent_channels
    if not _fits(entry, channels):
        raise TinyKontextError(
            f"The preview factors in {vae_file} do not fit, expected {channels} x 3 and 3 numbers. Download the file "
            "again, or write it with `styleroute train tiny --stages autoencoder`."
        )
    latent_format.latent_rgb_factors = entry[FACTORS]
    latent_format.latent_rgb_factors_bias = entry[BIAS]
    # The decoder taef1 does not fit the small VAE either. Without its name, the method "taesd" shows these factors.
    latent_format.taesd_decoder_name = None


def _read_entry(file: Path) -> Any:
    """The entry of the file's metadata; None without a file or an entry."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as opened:
            text = (opened.metadata() or {}).get(METADATA_KEY)
        return None if text is None else json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        raise TinyKontextError(f"{file} is broken ({error}). Download the file again.") from error


def _fits(entry: Any, channels: int) -> bool:
    """Whether an entry has a row of three numbers for each channel, and a bias of three numbers."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get(FACTORS), list):
        return False
    rows = [*entry[FACTORS], entry.get(BIAS)]
    return len(rows) == channels + 1 and all(_is_colour(row) for row in rows)


def _is_colour(row: Any) -> bool:
    """Whether a row holds three numbers."""
    return isinstance(row, list) and len(row) == 3 and all(type(value) in (int, float) for value in row)
