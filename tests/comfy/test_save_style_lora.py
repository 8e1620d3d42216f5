"""Save Style as LoRA: the stock loader with the file changes the weights as MoE Apply with the style does."""

from datetime import datetime

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors import safe_open
from safetensors.torch import load_file
from styleroute.moe import LowRank, StyleExpertError


@pytest.fixture
def style(parts, style_expert, siglip):
    from styleroute.nodes.styles.encode_style import EncodeStyle

    return EncodeStyle.execute(style_expert, siglip, torch.rand(1, 32, 32, 3)).result[0]


@pytest.fixture
def save(parts, tmp_path, monkeypatch):
    import folder_paths
    from styleroute.nodes.styles.save_style_lora import SaveStyleLoRA

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))

    def save(*args):
        return tmp_path / SaveStyleLoRA.execute(*args).ui.as_dict()["text"][0]

    return save


def loaded_weights(model) -> dict[str, torch.Tensor]:
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    weights = {key: weight.clone() for key, weight in model.model.state_dict().items()}
    model.detach()
    return weights


@pytest.mark.parametrize(("precision", "atol"), [("float32", 1e-6), ("float16", 2e-4)])
def test_stock_loading_equals_moe_apply(flux, style_expert, style, save, precision, atol):
    import comfy.sd
    from styleroute.nodes.styles.moe_apply import MoEApply

    file = save(style_expert, "loras/style", 0.8, style, precision)
    stock, _ = comfy.sd.load_lora_for_models(flux, None, load_file(file), 1.0, 0.0)
    ours = MoEApply.execute(flux, style_expert, 0.8, style).result[0]
    expected = loaded_weights(ours)
    for key, weight in loaded_weights(stock).items():
        torch.testing.assert_close(weight, expected[key], rtol=0, atol=atol)


def test_diffusers_loads_the_file(style_expert, style, save):
    """The merged weights of diffusers' Flux, in the experts' sizes, change by strength * up @ down."""
    torch.manual_seed(0)
    sizes = {"num_layers": 1, "num_single_layers": 2, "num_attention_heads": 1}
    inputs = {"in_channels": 64, "joint_attention_dim": 32, "pooled_projection_dim": 16, "guidance_embeds": True}
    flux = FluxTransformer2DModel(**sizes, **inputs)
    before = {layer: flux.get_submodule(layer).weight.clone() for layer in style_expert.layers}
    flux.load_lora_adapter(load_file(save(style_expert, "loras/style", 0.8, style, "float32")), prefix="transformer")
    flux.fuse_lora()
    for layer, delta in style_expert.collapse(style.embedding, 0.8).items():
        merged = flux.get_submodule(layer).get_base_layer().weight
        torch.testing.assert_close(merged, before[layer] + delta.up @ delta.down, rtol=0, atol=1e-5)


def test_keys_and_ranks(style_expert, style, save):
    file = save(style_expert, "loras/style", 1.0, style)
    assert file.name == "style_00001.safetensors"
    with safe_open(file, "pt") as lora:
        assert lora.metadata()["source"] == "styles.safetensors"
        assert lora.metadata()["style_reference"] == "false"
        assert len(lora.keys()) == 2 * len(style_expert.layers)
        key = "transformer.single_transformer_blocks.0.proj_mlp"
        assert lora.get_slice(f"{key}.lora_A.weight").get_shape() == [6, 128]
        assert lora.get_slice(f"{key}.lora_B.weight").get_shape() == [512, 6]


def test_experts_that_need_the_style_image_warn(shown_expert, siglip, save, caplog):
    from styleroute.nodes.styles.encode_style import EncodeStyle

    style = EncodeStyle.execute(shown_expert, siglip, torch.rand(1, 32, 32, 3)).result[0]
    with safe_open(save(shown_expert, "loras/style", 1.0, style), "pt") as lora:
        assert lora.metadata()["style_reference"] == "true"
    assert "The LoRA needs the style image as a second reference" in caplog.text


def test_nothing_is_overwritten(style_expert, style, save):
    first, second = (save(style_expert, "style", 1.0, style) for _ in range(2))
    assert first != second
    assert first.is_file()
    assert second.is_file()
    assert not list(first.parent.glob("*.part"))


@pytest.mark.parametrize(
    "name", ["../style", "loras/../../style", "/tmp/style", "C:\\style", "..\\style", "", "loras/"]
)
def test_a_name_outside_the_output_folder_is_refused(style_expert, style, save, name):
    with pytest.raises(StyleExpertError, match="leads out of the output folder"):
        save(style_expert, name, 1.0, style)


def test_numbers_too_large_for_the_precision_are_refused(parts):
    from styleroute.moe.lora import lora_state

    deltas = {"proj_out": LowRank(up=torch.full((2, 1), 1e6), down=torch.ones(1, 2))}
    with pytest.raises(StyleExpertError, match="Choose 'float32'"):
        lora_state(deltas, torch.float16)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 300, "has a part of 300 bytes, expected at most 200"),
        ("loras/" + "墨" * 80 + "/style", "has a part of 240 bytes"),
        ("loras/a\0b", "holds the character"),
        ("loras/a\x1b[2Jb", "holds the character"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused_before_any_work(style_expert, style, save, name, words):
    read = style_expert.bytes_read
    with pytest.raises(StyleExpertError, match=words) as caught:
        save(style_expert, name, 1.0, style)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert style_expert.bytes_read == read


def test_a_file_in_place_of_the_folder_is_one_sentence(style_expert, style, save, tmp_path):
    (tmp_path / "loras").write_text("no folder")
    with pytest.raises(StyleExpertError, match="cannot be used in the output folder"):
        save(style_expert, "loras/style", 1.0, style)


class NewYear(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2027, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("loras/%date:yyyy%", "loras/2027_00001.safetensors"),
        ("%date:yyyy-MM-dd%/style", "2027-01-02/style_00001.safetensors"),
        ("style_%date:yy-M-d_hhmmss%", "style_27-1-2_030405_00001.safetensors"),
        ("style_%date:h.m.s%", "style_3.4.5_00001.safetensors"),
        ("100 %", "100 %_00001.safetensors"),
    ],
)
def test_dates_in_the_name_are_those_of_save_image(style_expert, style, save, tmp_path, monkeypatch, name, file):
    monkeypatch.setattr("styleroute.nodes.styles.output_file.datetime", NewYear)
    assert save(style_expert, name, 1.0, style) == tmp_path / file
