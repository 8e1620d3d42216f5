import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from styleroute.training.run_folder import RunFolder, TrainingError
from styleroute.training.whole_file import NotWritten


@dataclass(frozen=True)
class Config:
    rank: int = 8
    taps: tuple[int, ...] = (-2, -11)
    data: Path = Path("data")
    minutes: float = 10.0


def test_a_run_goes_on_with_the_same_configuration_and_all_of_it_is_saved(tmp_path):
    RunFolder(tmp_path, Config(), free=("minutes", "data")).begin()
    RunFolder(tmp_path, Config(minutes=60.0, data=Path("elsewhere")), free=("minutes", "data"))
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved == {"rank": 8, "taps": [-2, -11], "data": "data", "minutes": 10.0}


def test_another_configuration_is_refused_by_name_and_values(tmp_path):
    RunFolder(tmp_path, Config()).begin()
    with pytest.raises(TrainingError, match=r"rank = 8, this one has 4.*another folder"):
        RunFolder(tmp_path, Config(rank=4))


def test_a_new_folder_is_made_only_when_the_run_begins(tmp_path):
    run = RunFolder(tmp_path / "run", Config())
    assert not run.path.exists()
    run.begin()
    assert (run.path / "config.json").exists()


def test_a_checkpoint_comes_back_and_a_failed_one_leaves_the_last(tmp_path, monkeypatch):
    run = RunFolder(tmp_path, Config())
    assert run.restore() is None
    run.save({"step": 3, "weight": torch.ones(2)})
    for failure in (OSError, RuntimeError):

        def fail(state, path, failure=failure):
            path.write_bytes(b"half")
            raise failure("disk full")

        monkeypatch.setattr(torch, "save", fail)
        with pytest.raises(NotWritten, match=r"checkpoint\.pt could not be written \(disk full\): make room"):
            run.save({"step": 4})
    assert not list(tmp_path.glob("*.partial"))
    state = run.restore()
    assert state["step"] == 3
    assert torch.equal(state["weight"], torch.ones(2))
