"""The command line: help, refusals as one sentence, and the contact sheet."""

from pathlib import Path

import pytest
from PIL import Image
from styleroute.training.commands import COMMANDS, main


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture):
    assert main(["paint"]) == 2
    assert "no command 'paint'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert name in capsys.readouterr().out


def test_a_missing_photo_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["demo", "--photo", str(tmp_path / "none.png"), "--output", str(tmp_path)]) == 1
    assert "There is no picture" in capsys.readouterr().err


def test_the_contact_sheet_shows_every_picture():
    from styleroute.training.commands.demo import contact_sheet

    colours = {"content": "red", "style": "lime", "result": "blue"}
    sheet = contact_sheet({name: Image.new("RGB", (64, 64), colour) for name, colour in colours.items()})
    seen = {colour for _, colour in sheet.getcolors(maxcolors=10_000)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= seen
