"""Paths that a dataset names stay inside its folder, on every system."""

import pytest
from styleroute.dataset.relative_path import require_inside
from styleroute.errors import DataError


@pytest.mark.parametrize("path", ["a/b.png", "./a/b.png", "a\\b.png", "a//b.png"])
def test_a_path_inside_has_forward_slashes(path: str):
    assert str(require_inside(path)) == "a/b.png"


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../../b", "..\\a", "C:\\a", "C:a", "\\\\server\\a", "a\0b", "."])
def test_other_paths_are_refused(path: str):
    with pytest.raises(DataError, match="leads out of the dataset"):
        require_inside(path)
