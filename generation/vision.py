"""Finds the vision model that a style encoder was trained on."""

from pathlib import Path

from transformers.utils import cached_file

from ..errors import StyleExpertError
from ..moe.siglip import CONFIG_FILE, WEIGHTS_FILE, SiglipVision, load_siglip
from ..paths import TINY_MODELS

TINY = "tiny"
SIGLIP = "google/siglip-so400m-patch14-384"
"""The vision model of StyleExpert's published style encoder."""


def load_vision(source: str | Path) -> SiglipVision:
    """A SigLIP vision tower: a file, a folder in transformers' layout, a hub name, or "tiny" for the demo's.

    Raises:
        StyleExpertError: it is not found, or is no SigLIP.
    """
    if source == TINY:
        return load_siglip(TINY_MODELS / "siglip.safetensors")
    if Path(source).exists() or Path(source).suffix:
        return load_siglip(source)
    try:
        cached_file(str(source), CONFIG_FILE)
        weights = cached_file(str(source), WEIGHTS_FILE)
    except (OSError, ValueError) as error:
        raise StyleExpertError(
            f"The vision model {source} was found neither here nor on Hugging Face. Give a .safetensors file, a folder "
            f"with {WEIGHTS_FILE} and {CONFIG_FILE}, or the name of a SigLIP."
        ) from error
    assert weights is not None
    return load_siglip(weights)
