"""Both protocols through diffusers, on the small random Kontext: against its pipeline with the LoRA merged."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from styleroute.errors import DataError, StyleExpertError, StyleRouteError
from styleroute.evaluation.protocols.diffusers_pipeline import LoadedPipeline
from styleroute.evaluation.protocols.diffusers_regions import region_systems
from styleroute.evaluation.protocols.diffusers_styles import style_system
from styleroute.evaluation.protocols.options import (
    DiffusersOptions,
    Generation,
    PaperRegions,
    PaperStyles,
    RegionExpertFolders,
    StyleExpertFiles,
)
from styleroute.evaluation.protocols.region_route import RegionProtocol, region_trials
from styleroute.evaluation.protocols.running import region_images, style_images
from styleroute.evaluation.protocols.style_expert import StyleProtocol, style_trials
from styleroute.flux.layer_names import all_layers, layer_shape
from styleroute.generation import encode_style, load_kontext, load_vision, lora_state, read_image_tensor
from styleroute.generation.kontext import stylise_with_seed
from styleroute.generation.pipeline import StyleKontextPipeline
from styleroute.moe import EncoderConfig, ExpertConfig, StyleEncoder, StyleExpert, save_expert
from styleroute.storage.image_reader import read_image

CONFIG = ExpertConfig(kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=2.0, cond_dim=48)
ENCODER = EncoderConfig(
    taps=(-1, -3), num_queries=3, num_tokens=64, hidden_size=192, proj_dim=8, cond_dim=48, vision_model="tiny"
)
SIDE = 64
LAYERS = ("transformer_blocks.0.attn.to_v", "single_transformer_blocks.0.proj_mlp")


@pytest.fixture(scope="session")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experts for every layer of the random Kontext, whose hidden size is 32. Their training showed the style image."""
    torch.manual_seed(1)
    weights = {}
    for layer in all_layers(1, 1):
        out, inp = layer_shape(layer, 32)
        shapes = {"loraA": (4, 2, inp), "loraB": (4, out, 2), "shared_A": (1, 2, inp), "shared_B": (1, out, 2)}
        for name, shape in (shapes | {"cond_gate.weight": (4, 48)}).items():
            weights[f"{layer}.lora_layer.{name}"] = torch.randn(shape) * 0.4
    path = tmp_path_factory.mktemp("experts") / "random.safetensors"
    training = {"style_reference": True, "style_rows": 2, "text_tokens": 16}
    save_expert(path, weights, CONFIG, StyleEncoder(ENCODER).state_dict(), ENCODER, training)
    return path


@pytest.fixture
def styles(protocol: StyleProtocol, one_step: DiffusersOptions, experts: Path) -> PaperStyles:
    """Two styles with one pair and two seeds each."""
    small = replace(protocol, pairs=1, style_count=2)
    return PaperStyles(small, Generation("diffusers"), StyleExpertFiles(experts, vision="tiny", size=SIDE), one_step)


def write_lora(path: Path, seed: int, layers: tuple[str, ...] = LAYERS) -> None:
    generator = torch.Generator().manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {}
    for layer in layers:
        out, inp = layer_shape(layer, 32)
        weights[f"transformer.{layer}.lora_A.weight"] = torch.randn(2, inp, generator=generator)
        weights[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, 2, generator=generator)
    save_file(weights, path)


@pytest.fixture
def region_config(regions: RegionProtocol, one_step: DiffusersOptions, tmp_path: Path) -> PaperRegions:
    """One dog in two styles; the LoRAs are in `full`."""
    for seed, style in enumerate(("pixel-art", "line-art")):
        write_lora(tmp_path / "full" / f"{style}.safetensors", seed)
    small = replace(regions, styles=("pixel art", "line art"))
    folders = RegionExpertFolders(("none", f"ours={tmp_path / 'full'}"))
    return PaperRegions(small, Generation("diffusers"), folders, one_step)


def pixels(files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    return {name: np.asarray(Image.open(path)).astype(int) for name, path in files.items()}


@pytest.fixture(scope="module")
def plain(kontext_folder: Path) -> StyleKontextPipeline:
    """The base model alone, loaded apart from the tested code."""
    pipeline = load_kontext(str(kontext_folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def merged(
    plain: StyleKontextPipeline, pairs: Mapping, content: Path, references: list, seed: int, **options
) -> np.ndarray:
    """The image with the style merged into a copy of the weights, as `styleroute generate` does."""
    pipeline = StyleKontextPipeline(**plain.components | {"transformer": copy.deepcopy(plain.transformer)})
    pipeline.set_progress_bar_config(disable=True)
    pipeline.sizes = ((SIDE, SIDE),)
    if pairs:
        pipeline.transformer.load_lora_adapter(lora_state(pairs))
        pipeline.transformer.fuse_lora()
    options = {"num_inference_steps": 1, "guidance_scale": 3.5, "max_sequence_length": 16} | options
    return np.asarray(stylise_with_seed(pipeline, read_image(content), references, seed, **options)).astype(int)


def test_every_trial_gets_its_own_style_prompt_and_seed(styles: PaperStyles, plain: StyleKontextPipeline) -> None:
    (styles.protocol.contents / "1.txt").write_text("a red dog", encoding="utf-8")
    images = style_images(styles)
    (folder,) = images.folders
    found = pixels(folder.find([trial.name for trial in images.trials]))
    assert (folder.name, len(found)) == ("random", 4)
    expert, vision = StyleExpert.open(styles.experts.experts), load_vision("tiny")
    for trial in (images.trials[0], images.trials[3]):
        style = encode_style(expert, vision, [read_image_tensor(Path(trial.reference))])
        expected = merged(
            plain, expert.collapse(style.embedding), Path(trial.content), [read_image(Path(trial.reference))],
            trial.seed, prompt=trial.prompt, style_rows=2,
        )  # fmt: skip
        assert np.abs(found[trial.name] - expected).max() <= 1
    values = list(found.values())
    assert all(np.abs(one - other).mean() > 1 for n, one in enumerate(values) for other in values[:n])


def test_without_experts_the_base_model_sees_the_style_image(styles: PaperStyles, plain: StyleKontextPipeline) -> None:
    images = style_images(replace(styles, experts=replace(styles.experts, experts=None)))
    (folder,), trial = images.folders, images.trials[0]
    assert folder.name == "Kontext"
    found = pixels(folder.find([trial.name]))[trial.name]
    reference = read_image(Path(trial.reference))
    expected = merged(plain, {}, Path(trial.content), [reference], trial.seed, prompt=trial.prompt)
    assert np.abs(found - expected).max() <= 1


def test_region_experts_change_with_the_style(
    region_config: PaperRegions, plain: StyleKontextPipeline, tmp_path: Path
) -> None:
    images = region_images(region_config)
    base, ours = (pixels(folder.find([trial.name for trial in images.trials])) for folder in images.folders)
    assert [folder.name for folder in images.folders] == ["Kontext", "ours"]
    for trial in images.trials:
        file = (
            Path(region_config.experts.experts[1].partition("=")[2]) / f"{trial.name.partition('_1_')[2]}.safetensors"
        )
        for found, pairs in ((base, {}), (ours, StyleExpert.open(file).collapse(None))):
            content = region_config.protocol.output / trial.photo
            expected = merged(plain, pairs, content, [], 0, prompt=trial.prompt)
            assert np.abs(found[trial.name] - expected).max() <= 1
        assert np.abs(base[trial.name] - ours[trial.name]).mean() > 1


def test_ablations_are_found_by_their_folders(region_config: PaperRegions, tmp_path: Path, capsys) -> None:
    runs = tmp_path / "runs"
    for folder in ("regions", "regions_only_double"):
        for style in ("pixel-art", "line-art"):
            write_lora(runs / folder / f"{style}.safetensors", 3)
    write_lora(runs / "regions_rank_8" / "pixel-art.safetensors", 3)
    config = replace(region_config, experts=RegionExpertFolders(ablations=runs))
    systems = region_systems(config, LoadedPipeline(config.diffusers, "cpu"))
    assert [system.name for system in systems] == ["full", "only-double"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "Left out: rank-8, because" in shown
    assert "train region --preset without-focus" in shown
    with pytest.raises(DataError, match="has no trained ablation"):
        region_systems(replace(config, experts=RegionExpertFolders(ablations=tmp_path)), None)


def wrong_base(path: Path) -> None:
    write_lora(path, 0, ("transformer_blocks.5.attn.to_v",))


def wrong_size(path: Path) -> None:
    save_file(
        {
            "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.randn(2, 48),
            "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": torch.randn(48, 2),
        },
        path,
    )


@pytest.mark.parametrize(
    ("write", "sentence"),
    [(wrong_base, "has no block transformer_blocks.5"), (wrong_size, r"has the size \(48, 48\), the base model's has")],
)
def test_experts_of_another_base_are_refused(region_config: PaperRegions, tmp_path: Path, write, sentence) -> None:
    write(tmp_path / "full" / "line-art.safetensors")
    only = replace(region_config, experts=RegionExpertFolders((str(tmp_path / "full"),)))
    with pytest.raises(StyleExpertError, match=sentence):
        region_images(only)
    assert not list((only.protocol.output / "images").rglob("*.png"))


def test_a_layer_that_the_base_lacks_is_left_out(region_config: PaperRegions, tmp_path: Path, capsys) -> None:
    path = tmp_path / "full" / "line-art.safetensors"
    extra = {
        "transformer.transformer_blocks.0.attn.to_other.lora_A.weight": torch.randn(2, 32),
        "transformer.transformer_blocks.0.attn.to_other.lora_B.weight": torch.randn(32, 2),
    }
    save_file(load_file(path) | extra, path)
    only = replace(region_config, experts=RegionExpertFolders((str(tmp_path / "full"),)))
    assert region_images(only) is not None
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 layer that the base model does not have: transformer_blocks.0.attn.to_other" in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"experts": RegionExpertFolders(("nowhere",))},
            r"nowhere lacks pixel-art\.safetensors, line-",
        ),
        ({"diffusers": DiffusersOptions("no/such/folder")}, "is no diffusers pipeline"),
        ({"generation": Generation("diffusers", "x")}, "--name is one name for several folders"),
        ({"results": ("none",)}, "There is no folder none"),
        ({"experts": RegionExpertFolders(("none", "Kontext=none"))}, "Two systems have the name 'Kontext'"),
    ],
)
def test_faults_come_before_the_list_of_trials(region_config: PaperRegions, changes: dict, sentence: str) -> None:
    with pytest.raises(StyleRouteError, match=sentence):
        region_images(replace(region_config, **changes))
    assert not region_config.protocol.output.exists()


def test_experts_without_an_encoder_are_refused(styles: PaperStyles, experts: Path, tmp_path: Path) -> None:
    state = {key: value for key, value in load_file(experts).items() if not key.startswith("encoder.")}
    save_file(state, tmp_path / "bare.safetensors")
    config = replace(styles, experts=replace(styles.experts, experts=tmp_path / "bare.safetensors"))
    with pytest.raises(DataError, match="holds no style encoder"):
        style_system(config, LoadedPipeline(config.diffusers, "cpu"))
    assert style_trials(config.protocol)


def test_routed_experts_are_no_region_experts(region_config: PaperRegions, experts: Path, tmp_path: Path) -> None:
    (tmp_path / "full" / "line-art.safetensors").write_bytes(experts.read_bytes())
    with pytest.raises(DataError, match="holds routed experts, expected the plain LoRA"):
        region_systems(region_config, LoadedPipeline(region_config.diffusers, "cpu"))
    assert region_trials(region_config.protocol)
