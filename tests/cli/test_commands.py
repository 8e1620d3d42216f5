"""The command line: help, errors as one sentence, and the contact sheet."""

from pathlib import Path

import pytest
from styleroute.cli import COMMANDS, main


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture):
    assert main(["paint"]) == 2
    assert "no command 'paint'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert name in capsys.readouterr().out


def test_a_missing_photo_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["demo", "--photo", str(tmp_path / "none.png"), "--output", str(tmp_path)]) == 1
    assert "There is no image" in capsys.readouterr().err


def test_a_file_that_is_no_image_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "text.png").write_text("This is no image.")
    assert main(["demo", "--style", str(tmp_path / "text.png"), "--output", str(tmp_path)]) == 1
    assert "text.png cannot be read as an image (unknown format)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--region-style", "woven"], "no region is named"),
        (["--region", "the guitar", "--style", "x.png"], "takes its style by name"),
        (["--region", " "], "The region is empty"),
    ],
)
def test_incomplete_region_options_are_refused(options: list[str], sentence: str, capsys: pytest.CaptureFixture):
    assert main(["demo", *options]) == 1
    assert sentence in capsys.readouterr().err


def test_an_object_that_cannot_be_pasted_needs_a_photo():
    from styleroute.demo.region import scene_with
    from styleroute.errors import DataError

    assert scene_with("guitar").size == (256, 256)
    with pytest.raises(DataError, match="No object is called 'sofa', expected one of"):
        scene_with("sofa")
