from pathlib import Path

from styleroute.evaluation.kept_numbers import KeptNumbers, digest


def fail() -> float:
    raise AssertionError("the number is kept")


def test_a_number_is_computed_once_also_by_a_second_command(tmp_path: Path) -> None:
    path = tmp_path / "new" / "numbers.jsonl"
    kept = KeptNumbers(path)
    assert (kept.get("a", lambda: 0.1), kept.get("a", fail)) == (0.1, 0.1)
    again = KeptNumbers(path)
    assert again.get("a", fail) == 0.1
    assert again.get("b", lambda: 2) == 2
    assert [KeptNumbers(path).get(key, fail) for key in "ab"] == [0.1, 2]


def test_a_line_that_was_cut_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_text('["a", 0.1]\n["b", 0.')
    kept = KeptNumbers(path)
    assert (kept.get("a", fail), kept.get("b", lambda: 3.0)) == (0.1, 3.0)
    assert KeptNumbers(path).get("b", fail) == 3.0


def test_without_a_file_numbers_stay_in_memory() -> None:
    kept = KeptNumbers(None)
    assert (kept.get("a", lambda: 1.0), kept.get("a", fail)) == (1.0, 1.0)


def test_digests_depend_on_every_part() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("a", "c"), digest("b", "a")}) == 4
