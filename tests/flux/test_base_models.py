"""Names of base models: other families are recognised, FLUX.1 and unknown names are not."""

import pytest
from styleroute.flux.base_models import other_family


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("black-forest-labs/FLUX.2-klein-4B", "FLUX.2"),
        ("flux2_dev.safetensors", "FLUX.2"),
        ("lodestones/Chroma1-HD", "Chroma"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "Stable Diffusion"),
        ("Qwen/Qwen-Image-Edit/", "Qwen-Image"),
        ("flux-kontext", None),
        ("tiny-kontext", None),
        ("black-forest-labs/FLUX.1-Kontext-dev", None),
        ("C:\\models\\sdxl\\flux1-kontext-dev", None),
        ("", None),
    ],
)
def test_family(base, family):
    assert other_family(base) == family
