"""The scale of each layer of a LoRA: equal outputs in PEFT's own model, for every way in which a file stores it."""

import json

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.converting import convert
from styleroute.moe.inspecting import inspect_file

from .conftest import LAYERS, lora_state

TARGETS = ["to_q", "attn.to_out.0", "proj_mlp", "norm1.linear", "x_embedder", "norm_out.linear", "linear_1"]
CONFIGS = {
    "plain": {"r": 4, "lora_alpha": 4},
    "alpha": {"r": 4, "lora_alpha": 10},
    "rslora": {"r": 4, "lora_alpha": 3, "use_rslora": True},
    "alpha pattern": {
        "r": 4,
        "lora_alpha": 4,
        "alpha_pattern": {r"^transformer_blocks\.\d+\.attn\.to_q": 1, "to_q": 9},
    },
    "rank pattern": {"r": 4, "lora_alpha": 4, "rank_pattern": {"attn.to_q": 2, "proj_mlp": 6}},
    "all at once": {
        "r": 4,
        "lora_alpha": 5,
        "use_rslora": True,
        "rank_pattern": {"attn.to_q": 2, "linear_1": 3},
        "alpha_pattern": {"single_transformer_blocks.0.attn.to_q": 7, "x_embedder": 0.5},
    },
}


def _transformer() -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=8, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    ).eval()  # fmt: skip


def _randomise(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.2


@torch.no_grad()
def _output(transformer: torch.nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    states, text, pooled = (torch.randn(1, *size, generator=generator) for size in ((6, 16), (5, 24), (8,)))
    return transformer(
        hidden_states=states, encoder_hidden_states=text, pooled_projections=pooled, timestep=torch.tensor([0.6]),
        guidance=torch.tensor([3.5]), img_ids=torch.zeros(6, 3), txt_ids=torch.zeros(5, 3), return_dict=False,
    )[0]  # fmt: skip


@torch.no_grad()
def _applied(path) -> torch.Tensor:
    """The output of the transformer after the collapsed pairs of a file are added to its weights."""
    transformer = _transformer()
    for layer, pair in StyleExpert.open(path).collapse(None).items():
        transformer.get_submodule(layer).weight += pair.up @ pair.down
    return _output(transformer)


def _adapted(config: dict) -> FluxTransformer2DModel:
    transformer = _transformer()
    transformer.add_adapter(LoraConfig(target_modules=TARGETS, **config))
    _randomise(transformer)
    return transformer


def _as_diffusers_adapter(config, folder):
    transformer = _adapted(config)
    transformer.save_lora_adapter(str(folder), adapter_name="default")
    path = folder / "pytorch_lora_weights.safetensors"
    return path, _output(transformer)


def _as_diffusers_pipeline(config, folder):
    from peft import get_peft_model_state_dict

    transformer = _adapted(config)
    FluxPipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers=get_peft_model_state_dict(transformer),
        transformer_lora_adapter_metadata=_plain(transformer.peft_config["default"].to_dict()),
    )
    return folder / "pytorch_lora_weights.safetensors", _output(transformer)


def _as_peft(config, folder):
    model = get_peft_model(_transformer(), LoraConfig(target_modules=TARGETS, **config))
    _randomise(model)
    model.save_pretrained(str(folder))
    return folder / "adapter_model.safetensors", _output(model)


def _with_alpha_tensors(config, folder):
    path, output = _as_diffusers_pipeline(config, folder)
    state, scales = load_file(path), _scales(config)
    for key in [key for key in state if "lora_A" in key]:
        layer, rank = key.removesuffix(".lora_A.weight"), len(state[key])
        state[f"{layer}.alpha"] = torch.tensor(scales[layer.removeprefix("transformer.")] * rank)
    save_file(state, path)
    return path, output


def _scales(config) -> dict[str, float]:
    layers = _adapted(config).named_modules()
    return {name: module.scaling["default"] for name, module in layers if isinstance(module, LoraLayer)}


def _plain(options: dict) -> dict:
    return {name: list(value) if isinstance(value, set) else value for name, value in options.items()}


WRITERS = {
    "diffusers adapter": _as_diffusers_adapter,
    "diffusers pipeline": _as_diffusers_pipeline,
    "peft": _as_peft,
    "alpha tensors": _with_alpha_tensors,
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_every_layer_has_pefts_scale(write, config, tmp_path):
    path, expected = write(config, tmp_path)
    base = _output(_transformer())
    assert (expected - base).abs().max() > 0.01
    torch.testing.assert_close(_applied(path), expected, rtol=1e-4, atol=1e-5)
    expert = StyleExpert.open(path)
    assert {layer: expert.scale_of(layer) for layer in expert.layers} == pytest.approx(_scales(config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_converted_lora_loads_in_diffusers_with_its_scale(write, config, tmp_path):
    path, expected = write(config, tmp_path)
    converted = convert(path, tmp_path / "style.safetensors")
    torch.testing.assert_close(_applied(converted), expected, rtol=1e-4, atol=1e-5)
    assert all(key.startswith("transformer.") for key in load_file(converted))
    transformer = _transformer()
    state, alphas = FluxPipeline.lora_state_dict(str(converted), return_alphas=True)
    FluxPipeline.load_lora_into_transformer(state, alphas, transformer)
    torch.testing.assert_close(_output(transformer), expected, rtol=1e-4, atol=1e-5)


def test_a_pickle_has_the_scale_of_the_configuration_beside_it(tmp_path):
    path, expected = _as_peft(CONFIGS["all at once"], tmp_path)
    torch.save(load_file(path), tmp_path / "adapter_model.bin")
    path.unlink()
    converted = convert(tmp_path / "adapter_model.bin", tmp_path / "style.safetensors")
    torch.testing.assert_close(_applied(converted), expected, rtol=1e-4, atol=1e-5)


def test_a_configuration_of_another_program_beside_the_file_is_ignored(written, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 9, "lora_alpha": 99}))
    assert StyleExpert.open(written(lora_state())).config.scale == 1.0


@pytest.mark.parametrize(
    "option",
    [
        {"use_dora": True},
        {"lora_bias": True},
        {"init_lora_weights": "pissa"},
        {"bias": "all"},
        {"peft_type": "LOHA"},
        {"layer_replication": [[0, 4]]},
        {"an_option_of_the_future": 1},
    ],
)
def test_options_that_a_plain_lora_cannot_express_are_refused_by_name(written, option):
    text = json.dumps({f"transformer.{key}": value for key, value in {"r": 4, "lora_alpha": 4, **option}.items()})
    with pytest.raises(StyleExpertError, match=next(iter(option))):
        StyleExpert.open(written(lora_state(), lora_adapter_metadata=text))


@pytest.mark.parametrize("part", ["lora_magnitude_vector", "lora_magnitude_vector.weight", "dora_scale", "lora_B.bias"])
def test_parts_that_a_plain_lora_cannot_express_are_refused_by_name(written, part):
    state = lora_state() | {f"transformer.transformer_blocks.0.attn.to_q.{part}": torch.ones(8)}
    with pytest.raises(StyleExpertError, match=r"is (DoRA|a LoRA with biases)"):
        StyleExpert.open(written(state))


@pytest.mark.parametrize(
    "options", [{"use_rslora": "yes"}, {"alpha_pattern": ["to_q"]}, {"alpha_pattern": {"(": 1}}, {"r": "4"},
                {"alpha_pattern": {"to_q": "1"}}, {"lora_alpha": float("nan")}],
)  # fmt: skip
def test_unreadable_options_are_refused(written, options):
    text = json.dumps({"r": 4, "lora_alpha": 4, **options})
    with pytest.raises(StyleExpertError, match="is unreadable"):
        StyleExpert.open(written(lora_state(), lora_adapter_metadata=text))


@pytest.mark.parametrize(
    "patterns",
    [
        {"(a+)+": 1},
        {"(.*)*q": 1},
        {".*.*.*.*x": 1},
        {".?" * 60 + "x": 1},
        {"(.|.)" * 40 + "x": 1},
        {"x" * 300: 1},
        {f".*{n}.*": 1 for n in range(100)},
    ],
)
def test_patterns_that_take_long_are_refused_before_they_are_matched(written, patterns):
    text = json.dumps({"r": 4, "lora_alpha": 4, "alpha_pattern": patterns})
    with pytest.raises(StyleExpertError, match="patterns for layers"):
        StyleExpert.open(written(lora_state(), lora_adapter_metadata=text))


def test_names_of_all_layers_as_patterns_are_accepted(written):
    patterns = {f"single_transformer_blocks.{n}.attn.{end}": n for n in range(200) for end in ("to_q", "to_k", "to_v")}
    text = json.dumps({"r": 4, "lora_alpha": 4, "alpha_pattern": {**patterns, LAYERS[0]: 6}})
    assert StyleExpert.open(written(lora_state(), lora_adapter_metadata=text)).config.scale == 1.5


def test_a_rank_that_contradicts_the_tensors_is_refused(written):
    path = written(lora_state(), lora_adapter_metadata='{"transformer.r": 8, "transformer.lora_alpha": 8}')
    with pytest.raises(StyleExpertError, match=r"the rank 8, but its tensors in .* have rank 4"):
        StyleExpert.open(path)


def test_two_sources_that_contradict_each_other_are_refused(written):
    state = lora_state() | {"transformer.transformer_blocks.0.attn.to_q.alpha": torch.tensor(8.0)}
    with pytest.raises(StyleExpertError, match=r"two scales for .*: 2 from its alpha, 1 from PEFT"):
        StyleExpert.open(written(state, lora_adapter_metadata='{"transformer.r": 4, "transformer.lora_alpha": 4}'))


@pytest.mark.parametrize("alpha", [torch.ones(2), torch.tensor(4)])
def test_an_alpha_that_is_no_number_is_refused(written, alpha):
    with pytest.raises(StyleExpertError, match="expected one floating-point number"):
        StyleExpert.open(written(lora_state() | {"transformer.transformer_blocks.0.attn.to_q.alpha": alpha}))


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "base_model.model.transformer."])
def test_a_layer_under_two_prefixes_is_refused(written, prefix):
    again = {key.replace("transformer.transformer", f"{prefix}transformer"): -w for key, w in lora_state().items()}
    with pytest.raises(StyleExpertError, match=r"holds the same layer twice, as '.*transformer.*' and as"):
        StyleExpert.open(written(lora_state() | again))


def test_alpha_zero_is_named_by_inspect(written):
    state = lora_state() | {"transformer.transformer_blocks.0.attn.to_q.alpha": torch.tensor(0.0)}
    (problem,) = inspect_file(written(state)).problems
    assert problem.startswith("Its alpha is 0, so the file changes nothing.")


def test_a_layer_of_another_rank_is_shown_by_inspect(tmp_path):
    path, _ = _as_peft(CONFIGS["all at once"], tmp_path)
    assert "one LoRA of rank 2 to 4, scale 0.25 to 4.94975" in inspect_file(path).lines()
