"""Options of the papers' evaluations: presets, and options that contradict each other."""

from pathlib import Path

import pytest
import tyro
from styleroute.cli import evaluate, main
from styleroute.errors import DataError
from styleroute.evaluation.protocols.options import (
    STYLE_PRESETS,
    ComfyOptions,
    DiffusersOptions,
    Generation,
    PaperRegions,
    PaperStyles,
    RegionExpertFolders,
    StyleExpertFiles,
)
from styleroute.evaluation.protocols.region_route import RegionProtocol
from styleroute.evaluation.protocols.style_expert import StyleProtocol

DIFFUSERS, COMFYUI = Generation("diffusers"), Generation("comfyui")


def test_a_preset_has_the_papers_2100_images(protocol: StyleProtocol, capsys: pytest.CaptureFixture) -> None:
    sizes = STYLE_PRESETS["paper"].protocol
    assert (sizes.style_count, sizes.pairs, sizes.seeds) == (21, 50, 2)
    assert sizes.style_count * sizes.pairs * sizes.seeds == 2100
    folders = ["--contents", protocol.contents, "--styles", protocol.styles, "--output", protocol.output]
    assert main(["evaluate", "paper-styles", "--preset", "paper", *map(str, folders)]) == 1
    assert "has 3 folders of styles, expected 21" in capsys.readouterr().err
    assert main(["evaluate", "paper-styles", "--preset", "quick", *map(str, folders)]) == 0
    assert "trials.json lists 12 images. Generate them with --generate" in " ".join(capsys.readouterr().out.split())


def test_a_preset_needs_the_users_folders(capsys: pytest.CaptureFixture) -> None:
    command = evaluate.SUBCOMMANDS["paper-styles"]
    with pytest.raises(SystemExit):
        tyro.cli(command.chosen([]), args=["--styles", "x"])
    shown = capsys.readouterr()
    assert all(name in shown.err + shown.out for name in ("--contents", "--output"))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"experts": StyleExpertFiles(Path("x"))}, "--experts is given, but --generate is 'no', expected 'diffusers'"),
        ({"generation": COMFYUI, "experts": StyleExpertFiles(Path("x"))}, "--generate is 'comfyui', expected 'diff"),
        ({"generation": DIFFUSERS, "comfyui": ComfyOptions(Path("x"))}, "--workflow is given, but --generate is 'diff"),
        ({"generation": COMFYUI}, "needs a workflow in API form"),
        ({"generation": COMFYUI, "comfyui": ComfyOptions(Path("x"), ())}, "--server names no address"),
    ],
)
def test_options_of_the_other_way_are_refused(protocol: StyleProtocol, parts: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        PaperStyles(protocol, **parts)


def test_ablations_need_diffusers(regions: RegionProtocol) -> None:
    with pytest.raises(DataError, match="--ablations is given, but --generate is 'no'"):
        PaperRegions(regions, experts=RegionExpertFolders(ablations=Path("runs")))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DiffusersOptions(steps=0), "steps is 0"),
        (lambda: DiffusersOptions(text_tokens=0), "text_tokens is 0"),
        (lambda: DiffusersOptions(guidance=float("inf")), "guidance is inf"),
        (lambda: StyleExpertFiles(size=100), "The size is 100 pixels, expected a multiple of 16"),
    ],
)
def test_impossible_numbers_are_refused(make, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        make()
