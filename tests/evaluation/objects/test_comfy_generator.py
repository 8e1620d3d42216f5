"""Every kind of method through a real ComfyUI and the small Kontext."""

import numpy as np
import pytest
from styleroute.evaluation.objects.comfy_generator import open_object_generator
from styleroute.evaluation.objects.jobs import ObjectJob
from styleroute.evaluation.objects.methods import choose_methods

pytestmark = pytest.mark.comfy


def test_every_method_gives_another_image_and_phrases_give_maps(config, two) -> None:
    methods = {method.name: method for method in choose_methods(config)}
    with open_object_generator(config) as generate:
        found = {name: generate(ObjectJob(method, two)) for name, method in methods.items()}
    images = [np.asarray(generated.image, float) for generated in found.values()]
    for number, image in enumerate(images):
        assert image.shape == (256, 256, 3)
        assert all(np.abs(image - other).mean() > 0.3 for other in images[:number])
    maps = found["phrases"].maps
    assert set(maps) == {f"object: {each.name}" for each in two.objects}
    assert np.shape(maps["object: teapot"]) == (16, 16)
    assert not found["true masks"].maps
