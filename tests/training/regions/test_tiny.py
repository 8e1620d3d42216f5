"""The small Kontext that ships with the pack as a base: T5's real vocabulary, 32 tokens."""

from pathlib import Path

from styleroute.moe import StyleExpert
from styleroute.training.adapters.config import with_options
from styleroute.training.regions.config import SMALL, RegionTrainConfig
from styleroute.training.regions.train_regions import train_regions


def test_it_trains(config: RegionTrainConfig, comfyui: Path, tmp_path: Path) -> None:
    small = with_options(config, **SMALL, cache=tmp_path / "cache")
    [file] = train_regions(with_options(small, steps=2, batch=2, validate_every=2, precision="no"))
    expert = StyleExpert.open(file)
    assert expert.config.base == "tiny-kontext"
    assert len(expert.layers) == 3 * 4 + 6 * 3
    assert expert.training["blocks"] == ["single 2", "single 3", "single 4"]
    assert (config.run.folder / "woven" / "validation" / "000002.png").is_file()
