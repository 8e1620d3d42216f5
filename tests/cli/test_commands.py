"""The command line: help, refusals as one sentence, and the contact sheet."""

from pathlib import Path

import pytest
import torch
from styleroute.cli import COMMANDS, main
from styleroute.moe import EncoderConfig, StyleEncoder


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
    assert "There is no image" in capsys.readouterr().err


def test_a_file_that_is_no_image_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "text.png").write_text("This is no image.")
    assert main(["demo", "--style", str(tmp_path / "text.png"), "--output", str(tmp_path)]) == 1
    assert "text.png cannot be read as an image (unknown format)" in capsys.readouterr().err


@pytest.mark.parametrize(("encoder_alone", "folder"), [(False, "style_experts"), (True, "style_encoders")])
def test_convert_says_where_the_file_belongs(tmp_path: Path, capsys, encoder_alone: bool, folder: str):
    config = EncoderConfig(taps=(-1,), num_queries=2, num_tokens=4, hidden_size=8, proj_dim=6, cond_dim=12)
    lora = {"lora_A.weight": torch.ones(2, 4), "lora_B.weight": torch.ones(4, 2)}
    state = {f"transformer.transformer_blocks.0.attn.to_q.{part}": weight for part, weight in lora.items()}
    torch.save(StyleEncoder(config).state_dict() if encoder_alone else state, tmp_path / "source.pt")
    assert main(["convert", str(tmp_path / "source.pt"), str(tmp_path / "target.safetensors")]) == 0
    assert f"models/{folder}." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--region-style", "woven"], "no region is named"),
        (["--region", "the guitar", "--style", "x.png"], "takes its style by name"),
        (["--region", " "], "The region is empty"),
    ],
)
def test_a_region_is_asked_for_whole(options: list[str], sentence: str, capsys: pytest.CaptureFixture):
    assert main(["demo", *options]) == 1
    assert sentence in capsys.readouterr().err


def test_an_object_that_cannot_be_pasted_needs_a_photo():
    from styleroute.demo.region import scene_with
    from styleroute.errors import DataError

    assert scene_with("guitar").size == (256, 256)
    with pytest.raises(DataError, match="No object is called 'sofa', expected one of"):
        scene_with("sofa")
