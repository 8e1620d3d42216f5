"""What the conditionings of a guider say about styles, on plain tensors."""

import pytest
import torch

CONTENT, STYLE, OTHER = (torch.full((1, 16, 4, 4), float(value)) for value in range(3))


@pytest.fixture
def describe(comfyui):
    from styleroute.nodes.branch.prompt_styles import prompt_styles

    def run(**groups):
        conds = {
            name: [{"uuid": name, "reference_latents": list(references), **options}]
            for name, (references, options) in groups.items()
        }
        return prompt_styles(conds)

    return run


def test_a_negative_prompt_may_hold_the_style_alone(describe):
    """As in the workflow for KSampler: without the content image, the style image comes first."""
    found = describe(positive=([CONTENT, STYLE, OTHER], {}), negative=([OTHER, STYLE], {}))
    assert found["positive"].references == (0, 1, 2)
    assert found["negative"].references == (2, 1)


def test_a_copied_latent_is_recognised(describe):
    found = describe(positive=([CONTENT, STYLE], {}), negative=([STYLE.clone()], {}))
    assert found["negative"].references == (1,)


def test_equal_images_keep_their_own_places(describe):
    """A fresh workflow shows the same drawing as content and as style."""
    found = describe(positive=([CONTENT, CONTENT.clone()], {}), negative=([CONTENT], {}))
    assert found["positive"].references == (0, 1)
    assert found["negative"].references == (0,)


def test_an_unknown_latent_has_its_own_place(describe):
    found = describe(positive=([CONTENT], {}), negative=([STYLE, OTHER], {}))
    assert found["negative"].references == (0, 1)
    assert found["negative"].number_of(5) == 5


def test_the_factor_of_a_prompt(describe):
    from styleroute.nodes.branch.prompt_styles import FACTOR_KEY

    found = describe(positive=([], {}), negative=([], {FACTOR_KEY: 0.0}))
    assert (found["positive"].factor, found["negative"].factor) == (1.0, 0.0)
