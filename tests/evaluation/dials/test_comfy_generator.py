"""Images of the settings through a real ComfyUI and the small Kontext."""

import numpy as np
import pytest
from styleroute.comfy_client.workflow import inputs_of
from styleroute.evaluation.comfy_generator import ServerImages, evaluation_server
from styleroute.evaluation.dials.jobs import EXPERTS
from styleroute.evaluation.dials.settings import DialSetting
from styleroute.evaluation.dials.trials import choose_trials
from styleroute.evaluation.dials.workflow import RESULT, dial_workflow

pytestmark = pytest.mark.comfy
STEPS = 2


@pytest.fixture(scope="module")
def images():
    with evaluation_server() as server:
        yield ServerImages(server)


@pytest.fixture
def generate(images, tmp_path):
    """Generates an image from a setting; `change` edits its prompt first."""
    [trial] = choose_trials(tmp_path, 1, 1)

    def run(setting: DialSetting, change=lambda prompt: None) -> np.ndarray:
        expert = images.install_expert(EXPERTS, EXPERTS.stem)
        prompt = dial_workflow(setting, expert, images.upload(trial.photo), images.upload(trial.style), 3)
        change(prompt)
        return np.asarray(images.fetch_image(prompt, images.run(prompt), RESULT), float)

    return run


def test_every_setting_gives_another_image(generate) -> None:
    settings = (
        DialSetting("no guidance", STEPS),
        DialSetting("KSampler, negative prompt", STEPS, 2.0),
        DialSetting("Style Guider", STEPS, 2.0, 1.0),
        DialSetting("Style Guider", STEPS, 1.0, 1.5),
    )
    found = [generate(setting) for setting in settings]
    for number, image in enumerate(found):
        assert all(np.abs(image - other).mean() > 0.5 for other in found[:number]), settings[number]


def test_neutral_dials_equal_ksampler_without_guidance(generate) -> None:
    def without_cfg(prompt):
        inputs_of(prompt, "KSampler")["cfg"] = 1.0

    stock = generate(DialSetting("KSampler, negative prompt", STEPS), without_cfg)
    assert np.array_equal(generate(DialSetting("no guidance", STEPS)), stock)
