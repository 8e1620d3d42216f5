"""Scenes of noise with a disc painted in two styles, and trainers on the small random Kontext."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from styleroute.dataset import region_scenes
from styleroute.dataset.objects import Cutout
from styleroute.dataset.photos import Photo
from styleroute.dataset.region_manifest import read_manifest
from styleroute.dataset.region_scenes import RegionScenes, RegionScenesConfig
from styleroute.dataset.region_writer import RegionReport, write_regions
from styleroute.training.adapters.config import FREE, with_options
from styleroute.training.bases import Base, load_base
from styleroute.training.regions.config import RegionTrainConfig
from styleroute.training.regions.examples import RegionExamples, make_examples
from styleroute.training.regions.spans import describe
from styleroute.training.regions.trainer import RegionTrainer
from styleroute.training.run_folder import RunFolder

STYLES = ("woven", "dusk")
OBJECTS = {"train": ("ball", "coin"), "test": ("bear", "trophy")}


def _objects() -> list[Cutout]:
    disc = np.zeros((64, 64, 4), dtype=np.uint8)
    rows, cols = np.mgrid[:64, :64]
    disc[(rows - 32) ** 2 + (cols - 32) ** 2 < 900] = (230, 120, 60, 255)
    return [Cutout(name, disc) for names in OBJECTS.values() for name in names]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes to train and two to test, 64 x 64, painted by a teacher that only adds a number."""
    folder = tmp_path_factory.mktemp("regions") / "set"
    config = RegionScenesConfig(styles=STYLES, scenes=6, test_scenes=2, size=64)
    noise = np.random.default_rng(0).integers(0, 120, (2, 200, 240, 3), dtype=np.uint8)
    splits = {
        split: RegionScenes(split, config, [Photo(split, pixels)], _objects())
        for split, pixels in zip(OBJECTS, noise, strict=True)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_scenes, "paint", lambda image, style: image // 2 + np.uint8(4 * style))
        write_regions(folder, splits, RegionReport(config))
    return folder


@pytest.fixture
def own_data(data: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(data, tmp_path / "regions")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config(tmp_path: Path, data: Path, kontext_folder: Path, cache: Path) -> RegionTrainConfig:
    """One style, every block, in float32."""
    return with_options(
        RegionTrainConfig(),
        data=data,
        styles=("woven",),
        base=str(kontext_folder),
        blocks="all",
        rate=1e-2,
        batch=2,
        accumulation=1,
        steps=6,
        precision="no",
        checkpointing=False,
        run=tmp_path / "run",
        cache=cache,
        save_every=2,
        validate_every=0,
    )


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Each run of a process has its own precision."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def base(kontext_folder: Path) -> Base:
    return load_base(str(kontext_folder), dtype=torch.float32, text_tokens=77)


@pytest.fixture
def woven(config: RegionTrainConfig, base: Base) -> Callable[..., RegionExamples]:
    """The examples of one style, each token for itself or not."""

    def make(each_token: bool = False) -> RegionExamples:
        described = describe(read_manifest(config.data.folder, "train"), "woven", base, each_token)
        return make_examples(described, base, config.run.cache / "woven" / "train")

    return make


@pytest.fixture
def make_trainer(
    config: RegionTrainConfig, base: Base, woven: Callable[..., RegionExamples]
) -> Callable[..., RegionTrainer]:
    """A trainer of the configuration with other values."""

    def make(identity: str = "these examples", **values: Any) -> RegionTrainer:
        AcceleratorState._reset_state(reset_partial_state=True)
        changed = with_options(config, **values)
        examples = woven(changed.objective.each_token)
        run = RunFolder(changed.run.folder, changed, FREE)
        accelerator = Accelerator(mixed_precision=changed.optimisation.precision)
        return RegionTrainer(changed, run, accelerator, base.transformer(), examples, identity)

    return make
