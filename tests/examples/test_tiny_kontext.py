"""The demo pack in ComfyUI's own classes computes what transformers and diffusers compute with the same weights."""

from itertools import pairwise

import pytest
import torch
from styleroute.comfy_client import find_comfyui
from styleroute.flux.latents import pack, position_ids, unpack
from styleroute.flux.noise import euler_sigmas
from styleroute.moe import StyleExpert
from transformers import CLIPTokenizer, T5TokenizerFast

VAE_SCALE, VAE_SHIFT = 0.3611, 0.1159
PROMPT = "an image"
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


def token_ids(prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
    folder = find_comfyui() / "comfy"
    t5 = T5TokenizerFast.from_pretrained(folder / "text_encoders" / "t5_tokenizer")(prompt).input_ids
    clip = CLIPTokenizer.from_pretrained(folder / "sd1_tokenizer")(prompt).input_ids
    return torch.tensor([t5 + [0] * (32 - len(t5))]), torch.tensor([clip + [49407] * (77 - len(clip))])


@torch.no_grad()
def reference_text(reference) -> tuple[torch.Tensor, torch.Tensor]:
    t5_ids, clip_ids = token_ids(PROMPT)
    states = reference.t5(input_ids=t5_ids, attention_mask=torch.ones_like(t5_ids)).last_hidden_state
    return states, reference.clip(input_ids=clip_ids).pooler_output


@torch.no_grad()
def test_text_states_and_pooled_text(loading, reference):
    clip = loading.load_clip()
    states, pooled = clip.encode_from_tokens(clip.tokenize(PROMPT), return_pooled=True)
    expected_states, expected_pooled = reference_text(reference)
    assert states.shape == (1, 32, 128)
    torch.testing.assert_close(states, expected_states, **CLOSE)
    torch.testing.assert_close(pooled, expected_pooled, **CLOSE)


@torch.no_grad()
def test_vision_states(loading, reference):
    image = torch.rand(2, 128, 128, 3).mul(255).round() / 255
    found = loading.load_clip_vision().encode_image(image)["all_hidden_states"]
    outputs = reference.siglip(pixel_values=image.movedim(-1, 1) * 2 - 1, output_hidden_states=True)
    assert found.shape == (2, 6, 64, 192)
    for tap in (-2, -3, -5):
        torch.testing.assert_close(found[:, tap], outputs.hidden_states[tap], **CLOSE)


@torch.no_grad()
def test_the_model_gets_the_encoder_output_unchanged(loading):
    vae, model = loading.load_vae(), loading.load_model()
    image = torch.rand(1, 64, 64, 3)
    raw = vae.first_stage_model.taesd_encoder(image.movedim(-1, 1))
    latent = vae.encode(image)
    torch.testing.assert_close(latent, raw / VAE_SCALE + VAE_SHIFT, **CLOSE)
    torch.testing.assert_close(model.model.process_latent_in(latent), raw, **CLOSE)
    decoded = vae.first_stage_model.taesd_decoder(raw).clamp(0, 1)
    torch.testing.assert_close(vae.decode(latent), decoded.movedim(1, -1), **CLOSE)


@torch.no_grad()
def test_two_euler_steps_with_a_reference(loading, reference):
    import comfy.sample
    import comfy.samplers

    model = loading.load_model()
    noise, ref = torch.randn(1, 16, 8, 8), torch.randn(1, 16, 8, 8)
    states, pooled = reference_text(reference)
    conditioning = [[states, {"pooled_output": pooled, "guidance": 3.5, "reference_latents": [ref]}]]
    sampler = comfy.samplers.KSampler(model, 2, torch.device("cpu"), "euler", "simple", 1.0, model_options={})
    torch.testing.assert_close(sampler.sigmas, euler_sigmas(2), atol=1e-6, rtol=0)
    found = comfy.sample.sample(
        model, noise, 2, 1.0, "euler", "simple", conditioning, conditioning, torch.zeros_like(noise)
    )
    seen = model.model.process_latent_in(ref)
    expected = reference_euler(reference, noise, seen, states, pooled)
    torch.testing.assert_close(model.model.process_latent_in(found.float()), expected, atol=1e-4, rtol=0)


def reference_euler(reference, latents, ref, states, pooled) -> torch.Tensor:
    """Two Euler steps with diffusers' transformer; all latents are in the transformer's scale."""
    sigmas = euler_sigmas(2)
    ids = torch.cat([position_ids(4, 4), position_ids(4, 4, index=1)])
    for now, after in pairwise(sigmas):
        velocity = reference.transformer(
            hidden_states=torch.cat([pack(latents), pack(ref)], dim=1),
            encoder_hidden_states=states,
            pooled_projections=pooled,
            timestep=now.view(1),
            img_ids=ids,
            txt_ids=torch.zeros(32, 3),
            guidance=torch.tensor([3.5]),
        ).sample[:, :16]
        latents = latents + (after - now) * unpack(velocity, 4)
    return latents


@pytest.mark.parametrize("part", ["model", "clip", "vae", "clip_vision"])
def test_the_shipped_weights_are_whole(tiny_kontext, part, monkeypatch):
    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    assert getattr(tiny_kontext.loading, f"load_{part}")() is not None


def test_the_shipped_experts_fit_the_shipped_model_and_vision_tower(tiny_kontext, monkeypatch):
    from styleroute.nodes.model_patching import patch_keys
    from styleroute.nodes.styles.vision_states import require_vision_model

    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    loading = tiny_kontext.loading
    expert = StyleExpert.open(loading.models_folder() / "style_experts" / "tiny_styles.safetensors")
    require_vision_model(loading.load_clip_vision(), expert.encoder_config)
    assert patch_keys(loading.load_model(), expert).keys() == set(expert.layers)


def test_missing_weights_are_named(tiny_kontext, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_KONTEXT_MODELS", str(tmp_path))
    for load, file in (("load_model", "transformer"), ("load_clip", "t5"), ("load_vae", "vae")):
        assert f"{file}.safetensors were not found in {tmp_path}" in refusal(getattr(tiny_kontext.loading, load))


def test_the_weights_of_another_model_are_refused(loading, reference, tmp_path, monkeypatch):
    (tmp_path / "siglip.safetensors").write_bytes((reference.folder / "clip_l.safetensors").read_bytes())
    monkeypatch.setenv("TINY_KONTEXT_MODELS", str(tmp_path))
    sentence = refusal(loading.load_clip_vision)
    assert "it lacks" in sentence
    assert len(sentence) < 600


def refusal(load) -> str:
    try:
        load()
    except ValueError as error:
        return str(error)
    raise AssertionError("nothing was refused")
