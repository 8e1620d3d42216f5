"""A region LoRA in the published layout: RegionRoute Sampler samples the same latents as diffusers."""

import copy
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from styleroute.flux.latents import pack, position_ids, unpack
from styleroute.flux.noise import euler_sigmas

DOUBLE, SINGLE = ("to_q", "to_k", "to_v", "to_out.0"), ("to_q", "to_k", "to_v")
PROMPT, STEPS, GUIDANCE = "make the guitar in mosaic style, keep other area unchanged", 2, 3.5


@pytest.fixture
def lora() -> dict[str, torch.Tensor]:
    """A LoRA of rank 4 on the attention of every block, as RegionRoute publishes it, with large weights."""
    layers = [f"transformer_blocks.{block}.attn.{end}" for block in range(3) for end in DOUBLE]
    layers += [f"single_transformer_blocks.{block}.attn.{end}" for block in range(6) for end in SINGLE]
    state = {}
    for layer in layers:
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(4, 256) * 0.2
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(256, 4) * 0.2
    return state


@pytest.fixture
def region_sample(loading, lora, tmp_path, monkeypatch):
    """Runs RegionRoute Sampler on the demo pack: (latent, conditioning, noise, reference)."""
    import comfy.sample
    import folder_paths
    from styleroute.nodes.regions.region_prompt import RegionPrompt
    from styleroute.nodes.regions.region_sampler import RegionRouteSampler

    save_file(lora, tmp_path / "mosaic.safetensors")
    for kind, folders in (("style_experts", []), ("loras", [str(tmp_path)])):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, (folders, {".safetensors"}))
        folder_paths.filename_list_cache.pop(kind, None)
    model, clip = loading.load_model(), loading.load_clip()
    reference, empty = torch.randn(1, 16, 8, 8), torch.zeros(1, 16, 8, 8)
    (text, options), *_ = RegionPrompt.execute(clip, PROMPT).result[0]
    positive = [[text, {**options, "guidance": GUIDANCE, "reference_latents": [reference]}]]
    settings = {"seed": 4, "steps": STEPS, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    region = {"expert_strength": 1.0, "region": "style", "background_lock": 0.0, "heat_preview": False}

    def run(expert: str):
        latent = {"samples": empty}
        out, *_ = RegionRouteSampler.execute(
            model, positive, latent, region_expert=expert, blocks="all", **region, **settings
        ).result
        noise = comfy.sample.prepare_noise(empty, settings["seed"])
        seen = model.model.process_latent_in
        return seen(out["samples"].float()), positive[0], noise, seen(reference)

    yield run
    for kind in ("style_experts", "loras"):
        folder_paths.filename_list_cache.pop(kind, None)


@torch.no_grad()
def by_diffusers(transformer, conditioning, noise, reference) -> torch.Tensor:
    """Euler steps from `noise`; all latents are in the transformer's scale."""
    text, options = conditioning
    ids, latents = torch.cat([position_ids(4, 4), position_ids(4, 4, index=1)]), noise
    for now, after in pairwise(euler_sigmas(STEPS)):
        velocity = transformer(
            hidden_states=torch.cat([pack(latents), pack(reference)], dim=1),
            encoder_hidden_states=text,
            pooled_projections=options["pooled_output"],
            timestep=now.view(1),
            img_ids=ids,
            txt_ids=torch.zeros(text.shape[1], 3),
            guidance=torch.tensor([GUIDANCE]),
        ).sample[:, :16]
        latents = latents + (after - now) * unpack(velocity, 4)
    return latents


@torch.no_grad()
def test_the_expert_samples_the_same_latents_as_diffusers(reference, region_sample, lora):
    transformer = copy.deepcopy(reference.transformer)
    base, *inputs = region_sample("none")
    torch.testing.assert_close(base, by_diffusers(transformer, *inputs), atol=1e-4, rtol=0)
    transformer.load_lora_adapter(dict(lora), prefix="transformer")
    styled, *inputs = region_sample("auto")
    torch.testing.assert_close(styled, by_diffusers(transformer, *inputs), atol=1e-4, rtol=0)
    assert (styled - base).abs().max() > 0.05
