"""The style image's positions in ComfyUI are those of the training, and prompts have the training's length."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from styleroute.flux.layouts import to_comfy
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.inspecting import inspect_file

from .conftest import write_style_expert

STYLE_WIDTH = 32
SIZE = (8, 12)


@dataclass
class Positions:
    """The position ids of each call of a model: [text + image + references, 3]."""

    calls: list[torch.Tensor] = field(default_factory=list)

    def record(self, module, arguments) -> None:
        ids = arguments[0]
        self.calls.append(ids[0] if ids.ndim == 3 else ids)


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str = "shown.safetensors", **training) -> Path:
        return write_style_expert(tmp_path / name, training=training or None)

    return write


@pytest.fixture
def apply(flux):
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    def apply(expert, model=None):
        style = Style(torch.ones(1, STYLE_WIDTH), 1, encoder_id(expert.encoder))
        return MoEApply.execute(model or flux, expert, 1.0, style).result[0]

    return apply


@pytest.fixture
def positions(flux):
    """Records the position ids of ComfyUI's model."""
    found = Positions()
    handle = flux.model.diffusion_model.pe_embedder.register_forward_pre_hook(found.record)
    yield found
    handle.remove()


@pytest.fixture
def inputs(parts):
    """Content and style latents, and a prompt with both as references."""
    generator = torch.Generator().manual_seed(3)
    content, style = torch.randn(1, 16, *SIZE, generator=generator), torch.randn(1, 16, 12, 8, generator=generator)
    [[text, options]] = parts.random_conditioning()
    shown = {"reference_latents": [content, style], "reference_latents_method": "index"}
    return content, style, [[text, {**options, **shown}]]


def _transformer(parts) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=1,
        joint_attention_dim=parts.CONTEXT, pooled_projection_dim=parts.VECTOR, guidance_embeds=True,
    ).eval()  # fmt: skip


@torch.no_grad()
def _training_step(transformer, inputs, rows: int, noisy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(position ids, velocity) of diffusers' model, with the inputs that the experts' trainer gives it."""
    content, style, [[text, options]] = inputs
    seen = Positions()
    handle = transformer.pos_embed.register_forward_pre_hook(seen.record)
    references = [Reference(content), Reference.of_style(style, rows=rows)]
    prompt, guidance = (text, options["pooled_output"]), torch.tensor([3.5])
    velocity = predict_velocity(transformer, noisy, references, torch.tensor([0.7]), prompt, guidance)
    handle.remove()
    return seen.calls[0], velocity


@torch.no_grad()
def _call(model, inputs, noisy: torch.Tensor) -> torch.Tensor:
    """The output of ComfyUI's `apply_model` for a model that its patcher has loaded."""
    import comfy.model_management

    content, style, [[text, options]] = inputs
    comfy.model_management.load_models_gpu([model])
    return model.model.apply_model(
        noisy, torch.tensor([0.7]), c_crossattn=text, y=options["pooled_output"], guidance=torch.tensor([3.5]),
        ref_latents=[content, style], ref_latents_method="index",
        transformer_options=model.model_options["transformer_options"] | {"wrappers": model.wrappers},
    )  # fmt: skip


@pytest.mark.parametrize("rows", [0, 64, 7])
def test_positions_equal_those_of_the_training(parts, apply, write, positions, inputs, sample, rows):
    latent = {"samples": torch.zeros(1, 16, *SIZE)}
    sample(apply(StyleExpert.open(write(style_reference=True, style_rows=rows))), inputs[2], latent=latent)
    expected, _ = _training_step(_transformer(parts), inputs, rows, torch.zeros(1, 16, *SIZE))
    assert len(positions.calls) == 2
    for found in positions.calls:
        assert torch.equal(found, expected)


@pytest.mark.parametrize("rows", [0, 64])
def test_both_models_agree_at_these_positions(parts, flux, apply, write, inputs, rows):
    from styleroute.nodes.styles.style_positions import set_style_rows

    transformer, network = _transformer(parts), flux.model.diffusion_model
    state, names = to_comfy(transformer.state_dict()), network.state_dict().keys()
    network.load_state_dict({k if k in names else k.replace("_norm.scale", "_norm.weight"): state[k] for k in state})
    noisy = torch.randn(1, 16, *SIZE, generator=torch.Generator().manual_seed(8))
    _, expected = _training_step(transformer, inputs, rows, noisy)
    model = flux.clone()
    set_style_rows(model, StyleExpert.open(write(style_reference=True, style_rows=rows)))
    denoised = _call(model, inputs, noisy)
    torch.testing.assert_close(denoised, noisy - 0.7 * expected, rtol=1e-4, atol=1e-5)


def test_a_file_without_a_header_gets_the_rows_of_the_input(apply, write, positions, inputs, sample, tmp_path):
    path = write()
    save_file(load_file(path), tmp_path / "release.safetensors")
    release = tmp_path / "release.safetensors"
    for rows, last in ((None, 5.0), (0, 5.0), (64, 69.0)):
        positions.calls.clear()
        sample(apply(StyleExpert.open(release, style_rows=rows)), inputs[2])
        assert positions.calls[0][:, 1].max() == last


def test_the_rows_belong_to_the_styled_model_alone(flux, apply, write, positions, inputs, sample):
    sample(apply(StyleExpert.open(write(style_reference=True, style_rows=64))), inputs[2])
    positions.calls.clear()
    sample(flux, inputs[2])
    assert positions.calls[0][:, 1].max() == 5
    assert "post_input" not in flux.model_options["transformer_options"].get("patches", {})


def test_two_experts_move_the_style_image_once(apply, write, positions, inputs, sample):
    expert = StyleExpert.open(write(style_reference=True, style_rows=64))
    sample(apply(expert, apply(expert)), inputs[2])
    assert positions.calls[0][:, 1].max() == 69


@pytest.mark.parametrize(("first", "second"), [(0, 64), (64, 0)])
def test_experts_of_different_rows_on_one_model_are_refused(apply, write, first, second):
    one = StyleExpert.open(write("one.safetensors", style_reference=True, style_rows=first))
    other = StyleExpert.open(write("other.safetensors", style_reference=True, style_rows=second))
    styled = apply(one)
    with pytest.raises(StyleExpertError, match=rf"style image {second} rows .* applied before have {first} rows"):
        apply(other, styled)


def test_other_packs_patches_of_the_input_still_run(flux, apply, write, positions, inputs, sample):
    model, seen = flux.clone(), []
    model.set_model_post_input_patch(lambda tokens: seen.append(tokens["img_ids"][0, :, 1].max().item()) or tokens)
    sample(apply(StyleExpert.open(write(style_reference=True, style_rows=64)), model), inputs[2])
    assert seen == [5.0, 5.0]
    assert positions.calls[0][:, 1].max() == 69


@pytest.mark.parametrize(
    ("training", "rows", "tokens"),
    [
        ({}, None, None),
        ({"style_reference": False, "style_rows": 64}, None, None),
        ({"style_reference": True}, 0, None),
        ({"style_reference": True, "style_rows": 64, "text_tokens": 128}, 64, 128),
    ],
)
def test_inspect_shows_what_the_file_records(write, training, rows, tokens):
    path = write(**training)
    expert, text = StyleExpert.open(path), "\n".join(inspect_file(path).lines())
    assert (expert.style_rows, expert.text_tokens) == (rows, tokens)
    assert ("rows of tokens below the content image" in text) == (rows is not None)
    assert (f"a second reference, {rows} rows" in text) == (rows is not None)
    assert (f"prompts: {tokens} T5 tokens" in text) == (tokens is not None)


@pytest.mark.parametrize("entry", [{"style_rows": -1}, {"style_rows": "64"}, {"text_tokens": 0}, {"text_tokens": True}])
def test_impossible_numbers_in_the_file_are_refused(write, entry):
    with pytest.raises(StyleExpertError, match=r"The training summary of shown\.safetensors\S* has"):
        write(style_reference=True, **entry)


def test_the_node_offers_the_rows_as_its_last_input(write, tmp_path, monkeypatch):
    from styleroute.nodes import model_folders
    from styleroute.nodes.styles.load_style_expert import LoadStyleExpert

    model_folders.register_model_folders()
    last = LoadStyleExpert.define_schema().inputs[-1]
    assert (last.id, last.options, last.optional) == ("style_rows", ["as the file says", "0", "64"], True)
    monkeypatch.setattr(model_folders, "expert_path", lambda name: str(write()))
    load = lambda *rows: LoadStyleExpert.execute("x", "in the expert file", "as the file says", *rows).result[0]  # noqa: E731
    assert [load(*rows).style_rows for rows in ((), ("as the file says",), ("0",), ("64",))] == [None, None, 0, 64]


def test_a_prompt_of_another_length_gives_a_warning(apply, write, inputs, sample, plain, parts, caplog):
    wrong = StyleExpert.open(write("wrong.safetensors", text_tokens=128))
    sample(apply(wrong), plain("a cat"))
    expected = f"trained with prompts of 128 T5 tokens, but this prompt has {parts.TEXT_TOKENS}. Set min_length 128"
    assert expected in caplog.text
    caplog.clear()
    sample(apply(StyleExpert.open(write("right.safetensors", text_tokens=parts.TEXT_TOKENS))), plain("a cat"))
    assert "T5 tokens" not in caplog.text


def test_t5tokenizeroptions_gives_the_length_of_the_training(apply, write, clip, sample, caplog):
    from comfy_extras.nodes_cond import T5TokenizerOptions

    (longer,) = T5TokenizerOptions.execute(clip, 0, 128).result
    prompt = longer.encode_from_tokens_scheduled(longer.tokenize("a cat"))
    assert prompt[0][0].shape[1] == 128
    sample(apply(StyleExpert.open(write(text_tokens=128))), prompt)
    assert "T5 tokens" not in caplog.text


def test_the_region_sampler_notes_a_prompt_of_another_length(flux, prompt, tmp_path, parts):
    from styleroute.moe import ExpertConfig, save_expert
    from styleroute.nodes.regions import region_experts, region_plan

    key = "transformer.transformer_blocks.0.attn.to_q"
    lora = {f"{key}.lora_A.weight": torch.zeros(4, 128), f"{key}.lora_B.weight": torch.zeros(128, 4)}
    path = tmp_path / "mosaic.safetensors"
    save_expert(path, lora, ExpertConfig.plain_lora(4), None, None, {"text_tokens": 77})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_experts, "expert_path", lambda name: str(path))
        settings = region_plan.RegionSettings("mosaic.safetensors", 1.0, "style", 0.0, False)
        ksampler = {"cfg": 1.0, "denoise": 1.0, "steps": 2, "sampler_name": "euler"}
        plan = region_plan.plan_run(flux, prompt(), None, torch.zeros(1, 16, 8, 12), settings, ksampler)
    assert any("prompts of 77 T5 tokens" in note for note in plan.notes)
