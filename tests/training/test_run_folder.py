"""The folder of a run: comparison of configurations, checkpoints, damaged files."""

import json
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path

import pytest
import torch
from styleroute.errors import StorageError, TrainingError
from styleroute.training.run_folder import RunFolder


@dataclass(frozen=True)
class Sizes:
    experts: int = 4
    shared: int = 2


@dataclass(frozen=True)
class Config:
    rank: int = 8
    taps: tuple[int, ...] = (-2, -11)
    data: Path = Path("data")
    minutes: float = 10.0


def test_a_run_resumes_with_the_same_configuration_and_saves_every_field(tmp_path):
    RunFolder(tmp_path, Config(), free=("minutes", "data")).begin()
    RunFolder(tmp_path, Config(minutes=60.0, data=Path("elsewhere")), free=("minutes", "data"))
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved == {"rank": 8, "taps": [-2, -11], "data": "data", "minutes": 10.0}


def test_another_configuration_is_refused_by_name_and_values(tmp_path):
    RunFolder(tmp_path, Config()).begin()
    with pytest.raises(TrainingError, match=r"rank = 8, this run has 4\. Give the same value .*another folder"):
        RunFolder(tmp_path, Config(rank=4))


@dataclass(frozen=True)
class Longer(Config):
    """With fields of a later version."""

    dropout: float = 0.0
    start: Path | None = None
    cache: Path = Path("cache")
    sizes: Sizes = field(default_factory=Sizes)


def test_a_run_of_an_older_version_has_the_defaults_of_new_fields(tmp_path):
    RunFolder(tmp_path, Config()).begin()
    RunFolder(tmp_path, Longer())
    with pytest.raises(TrainingError, match=r"dropout = 0\.0, this run has 0\.5"):
        RunFolder(tmp_path, Longer(dropout=0.5))
    with pytest.raises(TrainingError, match=r"sizes\.shared = 2, this run has 3"):
        RunFolder(tmp_path, Longer(sizes=Sizes(shared=3)))


def test_a_field_of_a_part_may_be_new_too(tmp_path):
    RunFolder(tmp_path, Longer()).begin()
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    del stored["sizes"]["shared"]
    path.write_text(json.dumps(stored))
    RunFolder(tmp_path, Longer())
    with pytest.raises(TrainingError, match=r"sizes\.shared = 2, this run has 3"):
        RunFolder(tmp_path, Longer(sizes=Sizes(shared=3)))


def test_a_new_field_without_a_default_is_named(tmp_path):
    RunFolder(tmp_path, Config()).begin()
    later = make_dataclass("Later", [("kind", str)], bases=(Config,), kw_only=True, frozen=True)
    with pytest.raises(TrainingError, match="kind = None, this run has 'new'"):
        RunFolder(tmp_path, later(kind="new"))


def test_parts_and_fields_of_parts_may_change_where_they_are_free(tmp_path):
    free = ("minutes", "sizes.shared")
    RunFolder(tmp_path, Longer(), free).begin()
    RunFolder(tmp_path, Longer(minutes=1.0, sizes=Sizes(shared=3)), free)
    RunFolder(tmp_path, Longer(sizes=Sizes(experts=9, shared=3)), free=("sizes",))
    with pytest.raises(TrainingError, match=r"sizes\.experts = 4, this run has 9"):
        RunFolder(tmp_path, Longer(sizes=Sizes(experts=9)), free)


def test_a_flat_configuration_of_an_older_version_is_refused(tmp_path):
    RunFolder(tmp_path, Config()).begin()
    (tmp_path / "config.json").write_text('{"sizes": "4 2", "rank": 8}')
    with pytest.raises(TrainingError, match=r"run of an older version of StyleRoute, whose config\.json has no part"):
        RunFolder(tmp_path, Longer())


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_configuration_is_named_with_the_remedy(tmp_path, content):
    RunFolder(tmp_path, Config()).begin()
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(TrainingError, match=r"config\.json cannot be read, .* Delete it to resume with the same"):
        RunFolder(tmp_path, Config())


@pytest.mark.parametrize("spoil", [lambda whole: b"", lambda whole: whole[:200], lambda whole: bytes(len(whole)),
                                   lambda whole: b"no checkpoint"])  # fmt: skip
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path, spoil):
    run = RunFolder(tmp_path, Config())
    run.checkpoint.save({"step": 3, "weight": torch.ones(500)})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be read .* Put back a copy of it, or delete it"):
        run.checkpoint.restore()


def test_the_folder_is_created_when_the_run_begins(tmp_path):
    run = RunFolder(tmp_path / "run", Config())
    assert not run.path.exists()
    run.begin()
    assert (run.path / "config.json").exists()


def test_a_checkpoint_comes_back_and_a_failed_one_leaves_the_last(tmp_path, monkeypatch):
    run = RunFolder(tmp_path, Config())
    assert run.checkpoint.restore() is None
    run.checkpoint.save({"step": 3, "weight": torch.ones(2)})
    for failure in (OSError, RuntimeError):

        def fail(state, path, failure=failure):
            path.write_bytes(b"half")
            raise failure("disk full")

        monkeypatch.setattr(torch, "save", fail)
        with pytest.raises(StorageError, match=r"checkpoint\.pt could not be written \(disk full\): make room"):
            run.checkpoint.save({"step": 4})
    assert not list(tmp_path.glob("*.partial"))
    state = run.checkpoint.restore()
    assert state["step"] == 3
    assert torch.equal(state["weight"], torch.ones(2))
