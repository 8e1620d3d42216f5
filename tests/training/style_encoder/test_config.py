from pathlib import Path

import pytest
from styleroute.errors import TrainingError
from styleroute.training.experts.config import PRESETS as STAGE_2
from styleroute.training.style_encoder.config import EncoderTrainConfig
from styleroute.training.tiny.config import COND_DIM


def test_the_defaults_are_the_papers() -> None:
    config = EncoderTrainConfig()
    assert (config.rate, config.batch, config.steps) == (1e-5, 128, 3500)
    assert len(config.taps) * config.num_queries * config.proj_dim == 3072


def test_both_stages_of_a_preset_read_the_same_triplets() -> None:
    stage_1 = {name: EncoderTrainConfig.preset(name).data for name in ("paper", "tiny")}
    assert stage_1 == {"paper": STAGE_2["paper"].data.folder, "tiny": STAGE_2["small"].data.folder}
    assert stage_1 == {"paper": Path("data") / "triplets", "tiny": Path("data") / "paintings"}


def test_the_tiny_preset_fits_the_shipped_experts_and_given_options_override_it() -> None:
    config = EncoderTrainConfig.preset("tiny", steps=3, data=Path("elsewhere"))
    assert (config.vision, config.steps, config.data) == ("tiny", 3, Path("elsewhere"))
    assert len(config.taps) * config.num_queries * config.proj_dim == COND_DIM


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"batch": 1}, "batch is 1, expected a whole number of 2 or more"),
        ({"steps": 0}, "steps is 0, expected a whole number of 1 or more"),
        ({"seed": -1}, "seed is -1, expected a whole number of 0 or more"),
        ({"temperature": 0.0}, "temperature is 0.0, expected a number above 0"),
        ({"rate": float("nan")}, "rate is nan, expected a number above 0"),
        ({"rate": float("inf")}, "rate is inf, expected a number above 0"),
        ({"minutes": -1.0}, "minutes is -1.0, expected a number above 0"),
        ({"taps": (-2, -2)}, r"taps is \(-2, -2\), expected different negative numbers"),
        ({"taps": (0, -2)}, "expected different negative numbers"),
        ({"output": Path("encoder.pt")}, "expected a file name that ends in .safetensors"),
    ],
)
def test_impossible_values_are_refused_by_name(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        EncoderTrainConfig(**values)
