"""Expert files are written completely or not at all, and every error is one clear message."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from styleroute.moe import (
    EncoderConfig,
    ExpertConfig,
    StyleEncoder,
    StyleExpert,
    StyleExpertError,
    save_encoder,
    save_expert,
)

from .conftest import expert_state

EXPERTS = ExpertConfig(kind="style-moe", num_experts=4, rank=3, shared_rank=2, top_k=2, alpha=3.0, cond_dim=30)
ENCODER = EncoderConfig(taps=(-1, -3), num_queries=2, num_tokens=7, hidden_size=6, proj_dim=5, cond_dim=20)
Save = Callable[[Path], None]


def _save_experts(path: Path, seed: int = 0) -> None:
    save_expert(path, expert_state(seed=seed), EXPERTS, None)


def _save_encoder(path: Path) -> None:
    save_encoder(path, StyleEncoder(ENCODER).state_dict(), ENCODER)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Limit every file to one kilobyte."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("save", [_save_experts, _save_encoder])
def test_the_folder_is_created_and_no_other_file_is_left(tmp_path: Path, save: Save) -> None:
    path = tmp_path / "new" / "folder" / "x.safetensors"
    save(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("save", [_save_experts, _save_encoder])
def test_the_file_has_the_usual_read_permissions(tmp_path: Path, save: Save) -> None:
    (tmp_path / "any").touch()
    save(tmp_path / "x.safetensors")
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("save", [_save_experts, _save_encoder])
def test_on_a_full_disk_the_old_file_stays(tmp_path: Path, save: Save) -> None:
    path = tmp_path / "x.safetensors"
    save(path)
    before = path.read_bytes()
    with (
        _full_disk(),
        pytest.raises(StyleExpertError, match=r"could not be written .*stays unchanged"),
    ):
        save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("save", [_save_experts, _save_encoder])
def test_a_folder_in_the_files_place_stays(tmp_path: Path, save: Save) -> None:
    path = tmp_path / "x.safetensors"
    (path / "inner").mkdir(parents=True)
    with pytest.raises(StyleExpertError, match=r"could not be written .*another path with write permission"):
        save(path)
    assert [list(folder.iterdir()) for folder in (tmp_path, path)] == [[path], [path / "inner"]]


@pytest.mark.parametrize("save", [_save_experts, _save_encoder])
def test_a_file_in_the_folders_place_stays(tmp_path: Path, save: Save) -> None:
    (file := tmp_path / "file").write_text("before")
    with pytest.raises(StyleExpertError, match=r"could not be written .*an old file there stays unchanged"):
        save(file / "x.safetensors")
    assert file.read_text() == "before"


def test_tensors_that_contradict_the_configuration_are_refused(tmp_path: Path) -> None:
    _save_experts(path := tmp_path / "x.safetensors")
    with pytest.raises(StyleExpertError) as refusal:
        save_expert(path, expert_state(rank=1), EXPERTS, None)
    assert "could not be written" not in str(refusal.value)
    assert StyleExpert.open(path).config == EXPERTS
    assert list(tmp_path.iterdir()) == [path]
