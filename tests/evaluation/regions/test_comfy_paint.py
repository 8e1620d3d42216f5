"""A scene through a real ComfyUI: with an expert, without one, with the background lock."""

import numpy as np
import pytest
from styleroute.evaluation.regions.comfy_paint import comfy_paint
from styleroute.evaluation.regions.config import RegionEvidenceConfig
from styleroute.evaluation.regions.graph import SAMPLER
from styleroute.evaluation.regions.methods import choose_methods
from styleroute.evaluation.regions.painting import RegionJob
from styleroute.evaluation.regions.trials import region_of
from styleroute.training.regions.variants import FULL

pytestmark = pytest.mark.comfy
STEPS = 2


def test_images_and_maps_come_back(examples, write_variant) -> None:
    example = next(row for row in examples if region_of(row).style == "woven")
    methods = choose_methods(RegionEvidenceConfig(variants=write_variant(FULL, "woven")), ["woven"]).methods
    with comfy_paint() as painter:
        sampler = next(node for node in painter._graph.values() if node["class_type"] == SAMPLER)
        sampler["inputs"]["steps"] = STEPS
        base, full, locked = (painter(RegionJob(method, example, 0)) for method in methods)
        few_blocks = painter(RegionJob(methods[0], example, 0, blocks="single 0"))
    for painted in (base, full, locked):
        assert painted.image.size == painted.heat.size == (256, 256)
        assert {name.split(":")[0] for name in painted.maps} == {"style", "object"}
        # Attention over all keys: every cell gives the words a share that is above 0 and below 1.
        cells = np.array(painted.maps["style: woven"])
        assert cells.shape == (16, 16)
        assert 0 < cells.min() < cells.max() < 1
    pixels = [np.asarray(painted.image, float) for painted in (base, full, locked)]
    assert np.abs(pixels[0] - pixels[1]).mean() > 1
    assert np.abs(pixels[1] - pixels[2]).mean() > 1
    assert few_blocks.maps["style: woven"] != base.maps["style: woven"]
    # Capturing changes the image by rounding only.
    assert np.abs(np.asarray(few_blocks.image, float) - pixels[0]).max() <= 1
