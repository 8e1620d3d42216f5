"""Rows are computed once. An interrupted computation resumes; changed inputs recompute all rows."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from styleroute.errors import StorageError
from styleroute.storage import folder_lock, row_cache
from styleroute.storage.row_cache import cached_rows, fingerprint

COUNT = 10
ARRAYS = {"squares": ((COUNT, 2), "float16"), "names": ((COUNT,), "uint8")}


class Squares:
    """Computes rows, notes which, and may stop before one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen, self._stop_at = [], stop_at

    def __call__(self, rows: range) -> dict[str, np.ndarray]:
        if self._stop_at is not None and self._stop_at in rows:
            raise KeyboardInterrupt
        self.seen += rows
        numbers = np.array(rows)
        return {"squares": np.stack([numbers**2, -numbers], axis=1), "names": numbers}


def _rows(folder: Path, compute: Squares, identity: object = "one", arrays: dict = ARRAYS) -> dict[str, np.ndarray]:
    return cached_rows(folder, {"identity": identity}, arrays, compute, "squares", chunk=3)


def _require_squares(found: dict[str, np.ndarray]) -> None:
    assert found["squares"].dtype == np.float16
    assert found["squares"].tolist() == [[number**2, -number] for number in range(COUNT)]
    assert found["names"].tolist() == list(range(COUNT))


def test_rows_are_computed_once(tmp_path: Path) -> None:
    first, second = Squares(), Squares()
    _require_squares(_rows(tmp_path, first))
    _require_squares(_rows(tmp_path, second))
    assert (first.seen, second.seen) == (list(range(COUNT)), [])


def test_an_interrupted_computation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    second = Squares()
    with pytest.raises(KeyboardInterrupt):
        _rows(tmp_path, Squares(stop_at=7))
    _require_squares(_rows(tmp_path, second))
    assert second.seen == [6, 7, 8, 9]


def test_a_killed_computation_goes_on_from_its_saved_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "SAVE_EVERY", 2)
    saved: list[int] = []
    save_progress = row_cache._save_progress

    def save(folder: Path, maps: dict, done: int) -> None:
        saved.append(done)
        save_progress(folder, maps, done)

    monkeypatch.setattr(row_cache, "_save_progress", save)
    _rows(tmp_path, Squares())
    assert saved == [6, 10, 10]
    (tmp_path / row_cache.PROGRESS_FILE).write_text(json.dumps({"done": 6}))
    again = Squares()
    _require_squares(_rows(tmp_path, again))
    assert again.seen == [6, 7, 8, 9]


@pytest.mark.parametrize("change", ["identity", "arrays", "a file is gone", "no progress", "a broken index"])
def test_a_changed_cache_is_recomputed(tmp_path: Path, change: str) -> None:
    _rows(tmp_path, Squares())
    identity, arrays = ("other" if change == "identity" else "one"), dict(ARRAYS)
    if change == "arrays":
        arrays["squares"] = ((COUNT, 2), "float32")
    elif change == "a file is gone":
        (tmp_path / "squares.npy").unlink()
    elif change == "no progress":
        (tmp_path / row_cache.PROGRESS_FILE).unlink()
    elif change == "a broken index":
        (tmp_path / row_cache.INDEX_FILE).write_text("{")
    again = Squares()
    found = _rows(tmp_path, again, identity, arrays)
    assert again.seen == list(range(COUNT))
    assert found["squares"].dtype == arrays["squares"][1]


def test_a_full_disk_is_refused_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign.txt").write_text("not ours")
    _rows(tmp_path, Squares())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    larger = {name: ((10**6, *shape[1:]), dtype) for name, (shape, dtype) in ARRAYS.items()}
    with pytest.raises(StorageError, match=r"^Squares need 4\.\d MiB in .* only 0\.0 MiB are free there: make room"):
        _rows(tmp_path, Squares(), arrays=larger)
    untouched = Squares()
    _require_squares(_rows(tmp_path, untouched))
    assert untouched.seen == []
    assert (tmp_path / "foreign.txt").read_text() == "not ours"


def test_fingerprints_distinguish_changed_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    missing = fingerprint(path)
    path.write_text("one")
    one = fingerprint(path)
    path.write_text("other")
    assert missing == [str(path), -1, -1]
    assert len({json.dumps(found) for found in (missing, one, fingerprint(path))}) == 3


@pytest.mark.parametrize("other", ["one", "other"])
def test_two_runs_that_fill_one_folder_at_once_have_their_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """The second run waits for the first, whether both have the same identity or not."""
    waits, found = threading.Event(), {}
    monkeypatch.setattr(folder_lock.console, "print", lambda *_, **__: waits.set())
    second = Squares()
    thread = threading.Thread(target=lambda: found.update(_rows(tmp_path, second, other)))

    class Overtaken(Squares):
        """Halfway, another run starts; its rows have another sign."""

        def __call__(self, rows: range) -> dict[str, np.ndarray]:
            if 3 in rows:
                thread.start()
                assert waits.wait(10)
            values = super().__call__(rows)
            return values if other == "one" else {**values, "squares": -values["squares"]}

    first = _rows(tmp_path, Overtaken())
    thread.join(60)
    assert second.seen == ([] if other == "one" else list(range(COUNT)))
    _require_squares(found)
    assert first["squares"].tolist() == (found["squares"] * (1 if other == "one" else -1)).tolist()
