"""The grounding LoRA: prompts and spans of all objects of a scene, an unchanged target, and the command's faults."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from styleroute.cli import main
from styleroute.dataset.region_manifest import Region, RegionExample, read_manifest
from styleroute.dataset.region_scenes import ObjectScenesConfig, RegionScenes
from styleroute.dataset.region_writer import RegionReport, write_regions
from styleroute.dataset.scenes import with_article
from styleroute.errors import AttentionError, TrainingError
from styleroute.moe import StyleExpert
from styleroute.training.adapters.config import with_options
from styleroute.training.bases import Base
from styleroute.training.regions.config import RegionTrainConfig
from styleroute.training.regions.examples import draw, make_examples
from styleroute.training.regions.grounding import describe_objects, namings, scenes_of, write_prompt
from styleroute.training.regions.train_regions import train_regions


def _row(original: str, *objects: str, style: str = "") -> RegionExample:
    regions = tuple(Region(name, style, Path(f"{original}_{name}.png")) for name in objects)
    return RegionExample("prompt", Path(original), Path("styled.png"), regions)


@pytest.fixture
def ground(config: RegionTrainConfig) -> RegionTrainConfig:
    return with_options(config, task="ground", styles=())


@pytest.fixture
def scenes_without_styles(photo, objects, tmp_path: Path) -> Path:
    """What `styleroute data objects` writes: four training scenes and two test scenes, 64 x 64."""
    config = ObjectScenesConfig(scenes=4, test_scenes=2, size=64)
    kept = [type(cutout)(name, cutout.pixels) for name, cutout in zip(("bear", "trophy"), objects, strict=True)]
    splits = {split: RegionScenes(split, config, [photo], [*objects, *kept]) for split in ("train", "test")}
    write_regions(tmp_path / "objects", splits, RegionReport(config))
    return tmp_path / "objects"


def test_the_rows_of_one_image_make_one_scene() -> None:
    rows = [_row("1.png", "man", style="woven"), _row("1.png", "dog", style="dusk"), _row("2.png", "man")]
    scenes = scenes_of([*rows, rows[0]])
    assert {path.name: [region.object for region in regions] for path, regions in scenes.items()} == {
        "1.png": ["man", "dog"],
        "2.png": ["man"],
    }
    assert {region.style for regions in scenes.values() for region in regions} == {""}


def test_objects_are_named_in_both_orders_and_alone() -> None:
    """Otherwise the first name would always belong to the left object."""
    man, dog = _row("1.png", "man", "dog").regions
    assert namings([man, dog]) == [(man, dog), (dog, man), (man,), (dog,)]
    assert namings([man]) == [(man,)]


@pytest.mark.parametrize(
    ("names", "form", "article", "prompt"),
    [
        (["owl", "teapot"], "{}", with_article, "an owl and a teapot"),
        (["owl"], "a photo of {}", "the {}".format, "a photo of the owl"),
        (["the owl", "teapot"], "{} in the picture", str, "the owl and teapot in the picture"),
    ],
)
def test_prompts_and_the_place_of_each_name(names: list[str], form: str, article: Callable, prompt: str) -> None:
    written, mentions = write_prompt(names, form, article)
    assert written == prompt
    for name, mention in zip(names, mentions, strict=True):
        assert mention.words == name.removeprefix("the ")
        assert prompt[len(mention.before) :].startswith(mention.words)


def test_each_name_has_its_own_tokens_and_mask(base: Base) -> None:
    """The tokens of the tests' tokenizer are single letters, so a span has a token per letter."""
    described = describe_objects([_row("1.png", "dog", "hot dog")], base)
    assert len(described) == 4
    for row, spans in described:
        assert row.styled == row.original
        assert [span.masks for span in spans] == [(region.mask,) for region in row.regions]
        letters = [base.tokenizer.convert_ids_to_tokens(base.tokenizer(row.prompt)["input_ids"]) for _ in spans]
        for region, span, tokens in zip(row.regions, spans, letters, strict=True):
            found = "".join(tokens[token] for token in span.tokens).replace("\u2581", " ").split()
            assert " ".join(found) == region.object
    both = [set(span.tokens) for span in described[0][1]]
    assert not both[0] & both[1], "the dog of `hot dog` was taken for the dog"


def test_a_name_behind_the_last_token_is_refused(base: Base) -> None:
    with pytest.raises(AttentionError, match="in the first 77 tokens of"):
        describe_objects([_row("1.png", "x" * 80, "dog")], base)


def test_the_target_is_the_unchanged_image_and_each_object_has_its_mask(base: Base, data: Path, tmp_path) -> None:
    rows = read_manifest(data, "train")
    examples = make_examples(describe_objects(rows, base), base, tmp_path)
    batch = draw(examples, 8, 0, 0)
    assert torch.equal(batch.styled, batch.original)
    assert {len(spans) for spans in batch.spans} == {1, 2}
    two = next(index for index, spans in enumerate(batch.spans) if len(spans) == 2)
    left, right = batch.masks[two]
    assert left.any()
    assert right.any()
    assert not (left * right).any(), "the objects lie side by side"


@pytest.mark.parametrize("styled", [True, False])
def test_datasets_with_and_without_styles_train(
    ground: RegionTrainConfig, scenes_without_styles: Path, styled: bool, tmp_path: Path
) -> None:
    own = {} if styled else {"data": scenes_without_styles, "cache": tmp_path / "cache"}
    ground = with_options(ground, steps=2, validate_every=2, **own)
    [file] = train_regions(ground)
    assert file == ground.run.folder / "ground.safetensors"
    expert = StyleExpert.open(file)
    assert (expert.config.kind, expert.training["task"]) == ("lora", "ground")
    assert "style" not in expert.training
    assert {name.rsplit(".", 2)[1] for name in load_file(file)} == {"lora_A", "lora_B"}
    assert (ground.run.folder / "ground" / "validation" / "000002.png").is_file()


def test_a_resumed_run_gives_the_same_file(ground: RegionTrainConfig) -> None:
    whole, pieces = (with_options(ground, steps=4, run=ground.run.folder / name) for name in ("whole", "pieces"))
    [expected] = train_regions(whole)
    train_regions(with_options(pieces, steps=2))
    [file] = train_regions(pieces)
    assert all(torch.equal(load_file(file)[name], weight) for name, weight in load_file(expected).items())


def test_the_attention_moves_onto_the_objects(ground: RegionTrainConfig) -> None:
    """The mean of Focus and Cover falls on the scenes of the training itself."""
    losses = {}
    for steps in (1, 40):
        run = with_options(ground, steps=steps, rate=2e-2, batch=4, run=ground.run.folder / str(steps), save_every=100)
        [file] = train_regions(run)
        losses[steps] = StyleExpert.open(file).training["loss"]
    checkpoint = torch.load(ground.run.folder / "40" / "ground" / "checkpoint.pt", weights_only=True)
    assert sum(checkpoint["losses"][-8:]) / 8 < sum(checkpoint["losses"][:8]) / 8
    assert losses[40] < losses[1]


def test_options_that_do_not_fit_the_task_are_refused(config: RegionTrainConfig) -> None:
    with pytest.raises(TrainingError, match=r"--styles names 'woven', but the task `ground` trains no style"):
        with_options(config, task="ground")
    with pytest.raises(TrainingError, match="--without attention leaves out both attention losses"):
        with_options(config, task="ground", styles=(), without="attention")


def test_another_task_is_another_run(config: RegionTrainConfig, ground: RegionTrainConfig) -> None:
    train_regions(with_options(ground, steps=1))
    with pytest.raises(TrainingError, match=r"data\.task = 'ground', this run has 'style'"):
        train_regions(with_options(config, styles=("ground",), steps=1, data=_with_style(config, "ground")))


def _with_style(config: RegionTrainConfig, style: str) -> Path:
    """The dataset with the style "woven" renamed, without its prompts."""
    folder = config.run.folder.parent / "renamed"
    (folder / "train").mkdir(parents=True)
    text = (config.data.folder / "train" / "manifest.json").read_text()
    for name in ("original", "styled", "masks"):
        (folder / "train" / name).symlink_to(config.data.folder / "train" / name)
    text = text.replace('": "woven"', f'": "{style}"').replace("in woven style", f"in {style} style")
    (folder / "train" / "manifest.json").write_text(text)
    return folder


def test_scenes_without_styles_train_no_style(config: RegionTrainConfig, scenes_without_styles: Path) -> None:
    with pytest.raises(TrainingError, match="has objects, but no styles: give --task ground, or a dataset of"):
        train_regions(with_options(config, data=scenes_without_styles, styles=()))


def test_the_command_takes_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    from styleroute.training.regions import train_regions as module

    seen: list[RegionTrainConfig] = []
    monkeypatch.setattr(module, "train_regions", seen.append)
    assert main(["train", "region", "--task", "ground", "--preset", "small", "--data", "data/objects"]) == 0
    [config] = seen
    assert (config.grounds, config.model.base, config.data.folder) == (True, "tiny", Path("data/objects"))
