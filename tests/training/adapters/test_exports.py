"""Names of exported expert files, and which of them are deleted."""

from pathlib import Path

from styleroute.training.adapters.exports import delete_old_exports, export_path, exports


def test_the_newest_files_stay_and_foreign_files_too(tmp_path: Path) -> None:
    steps = (500, 90_000, 1_000_000, 1_500)
    for step in steps:
        export_path(tmp_path, "experts", step).touch()
    foreign = [tmp_path / name for name in ("experts_wide_000500.safetensors", "experts.safetensors", "experts_x.txt")]
    for path in foreign:
        path.touch()
    assert export_path(tmp_path, "experts", 500).name == "experts_000500.safetensors"
    delete_old_exports(tmp_path, "experts", keep=0)
    assert [path.stem for path in exports(tmp_path, "experts")] == [
        *("experts_000500", "experts_001500", "experts_090000", "experts_1000000")
    ]
    delete_old_exports(tmp_path, "experts", keep=2)
    assert [path.stem for path in exports(tmp_path, "experts")] == ["experts_090000", "experts_1000000"]
    assert all(path.exists() for path in foreign)
