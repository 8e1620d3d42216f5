"""A scene through a real ComfyUI: without an expert, with one, and with the background lock."""

import numpy as np
import pytest
from styleroute.evaluation.regions.comfy_generator import open_region_generator
from styleroute.evaluation.regions.config import RegionEvaluationConfig
from styleroute.evaluation.regions.jobs import RegionJob
from styleroute.evaluation.regions.methods import choose_methods
from styleroute.evaluation.regions.trials import region_of
from styleroute.evaluation.regions.workflow import SAMPLER
from styleroute.training.regions.variants import FULL

pytestmark = pytest.mark.comfy
STEPS = 2


def test_images_and_maps_come_back(examples, write_variant) -> None:
    example = next(row for row in examples if region_of(row).style == "woven")
    methods = choose_methods(RegionEvaluationConfig(variants=write_variant(FULL, "woven")), ["woven"]).methods
    with open_region_generator() as generator:
        sampler = next(node for node in generator.workflow.values() if node["class_type"] == SAMPLER)
        sampler["inputs"]["steps"] = STEPS
        base, full, locked = (generator(RegionJob(method, example, 0)) for method in methods)
        few_blocks = generator(RegionJob(methods[0], example, 0, blocks="single 0"))
    for generated in (base, full, locked):
        assert generated.image.size == generated.overlay.size == (256, 256)
        assert {name.split(":")[0] for name in generated.maps} == {"style", "object"}
        # Attention is a softmax over all keys: each cell attends to the phrase with a share between 0 and 1.
        cells = np.array(generated.maps["style: woven"])
        assert cells.shape == (16, 16)
        assert 0 < cells.min() < cells.max() < 1
    pixels = [np.asarray(generated.image, float) for generated in (base, full, locked)]
    assert np.abs(pixels[0] - pixels[1]).mean() > 1
    assert np.abs(pixels[1] - pixels[2]).mean() > 1
    assert few_blocks.maps["style: woven"] != base.maps["style: woven"]
    # Capturing changes the image by rounding only.
    assert np.abs(np.asarray(few_blocks.image, float) - pixels[0]).max() <= 1
