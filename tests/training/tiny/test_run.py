"""The run as a whole: its stages' names, and what a stage asks of those before it."""

from pathlib import Path

import pytest
from styleroute.errors import TrainingError
from styleroute.training.tiny.run import TinyConfig, TinyTraining


@pytest.mark.parametrize("stage", ["decoder", "kontext", "vision"])
def test_a_stage_that_was_left_out_is_asked_for(tmp_path: Path, stage: str) -> None:
    config = TinyConfig(stages=(stage,), run=tmp_path / "run", models=tmp_path)
    with pytest.raises(TrainingError, match=r"has no autoencoder\.pt: run the stage 'autoencoder' first"):
        TinyTraining(config).run()
    assert not config.run.exists()


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(TrainingError, match="there is no stage 'decodr': choose from autoencoder, vision, "):
        TinyConfig(stages=("autoencoder", "decodr"))
