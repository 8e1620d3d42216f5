"""A small random FLUX.1 Kontext in diffusers' layout: outputs of each part, and refused folders."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import FluxKontextPipeline
from styleroute.errors import TrainingError
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.training.bases import load_base
from styleroute.training.bases.kontext import KontextBase


@pytest.fixture(scope="module")
def base(kontext_folder: Path) -> KontextBase:
    return load_base(str(kontext_folder), dtype=torch.float32)


@pytest.fixture(scope="module")
def pipeline(kontext_folder: Path) -> FluxKontextPipeline:
    return FluxKontextPipeline.from_pretrained(kontext_folder)


def _copied(folder: Path, target: Path, part: str, **values: object) -> str:
    """A copy of the folder with other values in a JSON file."""
    copy = shutil.copytree(folder, target / "copy")
    config = json.loads((copy / part).read_text())
    (copy / part).write_text(json.dumps(config | values))
    return str(copy)


def test_latents_equal_the_pipelines(base: KontextBase, pipeline: FluxKontextPipeline) -> None:
    images = torch.rand(2, 3, 32, 64)
    latents = base.encode(images)
    assert latents.shape == (2, 16, 4, 8)
    expected = pipeline._encode_vae_image(images * 2 - 1, generator=torch.Generator())
    torch.testing.assert_close(latents, expected)
    scaled = latents / pipeline.vae.config.scaling_factor + pipeline.vae.config.shift_factor
    with torch.no_grad():
        decoded = pipeline.vae.decode(scaled).sample
    shown = pipeline.image_processor.postprocess(decoded, output_type="pt")
    torch.testing.assert_close(base.decode(latents), shown)


def test_prompts_equal_the_pipelines_at_128_tokens(base: KontextBase, pipeline: FluxKontextPipeline) -> None:
    prompts = ["a photo of a dog", "z"]
    states, pooled = base.encode_prompts(prompts)
    assert (*states.shape[1:], pooled.shape[1]) == base.text_sizes
    expected = pipeline.encode_prompt(prompts, None, max_sequence_length=128)
    torch.testing.assert_close(states, expected[0])
    torch.testing.assert_close(pooled, expected[1])


def test_each_call_loads_a_new_transformer(base: KontextBase) -> None:
    one, other = base.transformer(), base.transformer()
    assert one is not other
    noisy, content = torch.randn(2, 2, 16, 4, 4)
    text = base.encode_prompts(["a", "b"])
    velocity = predict_velocity(one, noisy, [Reference(content)], torch.ones(2), text, torch.ones(2))
    assert velocity.shape == noisy.shape
    assert velocity.isfinite().all()


def test_freed_encoders_are_loaded_again(base: KontextBase) -> None:
    images = torch.rand(1, 3, 32, 32)
    before = base.encode(images)
    base.free_encoders()
    assert not {"_vae", "_text"} & vars(base).keys()
    torch.testing.assert_close(base.encode(images), before)


def test_decoding_loads_no_text_encoder(base: KontextBase) -> None:
    base.free_encoders()
    base.decode(torch.zeros(1, 16, 4, 4))
    assert "_text" not in vars(base)


def test_the_identity_differs_for_other_weights_and_precision(kontext_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(kontext_folder, tmp_path / "kontext")
    before, half = load_base(str(copy)).identity, load_base(str(copy), dtype=torch.float32).identity
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert len({before, half, load_base(str(copy)).identity}) == 3


def test_other_models_are_refused(kontext_folder: Path, tmp_path: Path) -> None:
    fill = _copied(kontext_folder, tmp_path / "fill", "transformer/config.json", in_channels=384)
    with pytest.raises(TrainingError, match=r"is a FLUX with 384 input channels .* expected 64 and True"):
        load_base(fill)
    schnell = _copied(kontext_folder, tmp_path / "schnell", "transformer/config.json", guidance_embeds=False)
    with pytest.raises(TrainingError, match=r"guidance_embeds False, expected 64 and True as in FLUX\.1 Kontext"):
        load_base(schnell)
    dev = _copied(kontext_folder, tmp_path / "dev", "model_index.json", _class_name="FluxPipeline")
    with pytest.raises(TrainingError, match="is a FluxPipeline, which was not trained with reference images"):
        load_base(dev)
    other = ["diffusers", "SD3Transformer2DModel"]
    stable = _copied(
        kontext_folder, tmp_path / "sd", "model_index.json", _class_name="StableDiffusion3Pipeline", transformer=other
    )
    with pytest.raises(TrainingError, match="is a StableDiffusion3Pipeline, expected a FLUX"):
        load_base(stable)


@pytest.mark.parametrize("broken", [None, "", "{", "[]"])
def test_folders_without_a_pipeline_are_refused(tmp_path: Path, broken: str | None) -> None:
    folder = tmp_path / "models" / "flux" / "kontext"
    if broken is not None:
        folder.mkdir(parents=True)
        (folder / "model_index.json").write_text(broken)
    with pytest.raises(TrainingError, match=r"is no diffusers pipeline \(.+\). Give the folder or the hub name of a"):
        load_base(str(folder))


def test_prompts_can_be_shorter_and_the_tokenizer_counts_as_the_encoder(kontext_folder: Path) -> None:
    short = load_base(str(kontext_folder), dtype=torch.float32, text_tokens=12)
    states, _ = short.encode_prompts(["a photo of a very large dog"])
    assert states.shape[1] == short.text_sizes[0] == 12
    ids = short.tokenizer("a dog")["input_ids"]
    expected = short._text.tokenizer_2("a dog", padding="max_length", max_length=12)["input_ids"]
    assert ids == expected[: len(ids)]
