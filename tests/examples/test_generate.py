"""The shipped small Kontext in diffusers gives the latents that ComfyUI's nodes give, with routed and baked styles."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from styleroute.cli import main
from styleroute.flux.latents import unpack
from styleroute.generation import kontext_noise, load_kontext
from styleroute.moe import StyleExpert
from styleroute.paths import PACK, TINY_MODELS
from styleroute.storage.image_reader import read_image
from styleroute.storage.image_tensor import read_image_tensor

EXPERTS = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
CONTENT, OIL, COMIC = (
    PACK / "assets" / f"{name}.png" for name in ("scene_guitar", "style_unseen_autumn_oil", "style_ink_comic")
)
PROMPT, GUIDANCE, SEED, WEIGHTS = "an image", 3.5, 5, (1.4, -0.4)


@dataclass(frozen=True)
class Comfy:
    """The small Kontext and the style, from ComfyUI's nodes."""

    loading: ModuleType
    expert: StyleExpert
    style: object
    positive: list
    latent: dict

    def sample(self, model, steps: int = 1) -> torch.Tensor:
        """KSampler's latents [1, 16, 32, 32] in the transformer's scale."""
        import nodes

        (out,) = nodes.common_ksampler(
            model, SEED, steps, 1.0, "euler", "simple", self.positive, self.positive, self.latent
        )
        return model.model.process_latent_in(out["samples"].float())


@pytest.fixture(scope="module")
def shipped(tiny_kontext, tmp_path_factory) -> Comfy:
    """Encode Style with weights and Style References, on the shipped weights."""
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.style_references import StyleReferences

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TINY_KONTEXT_MODELS", raising=False)
        loading, expert = tiny_kontext.loading, StyleExpert.open(EXPERTS)
        vae, clip = loading.load_vae(), loading.load_clip()
        content, oil, comic = (read_image_tensor(path)[None] for path in (CONTENT, OIL, COMIC))
        style = EncodeStyle.execute(
            expert, loading.load_clip_vision(), oil, image_2=comic, weights=", ".join(map(str, WEIGHTS))
        ).result[0]
        (text, options), *_ = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))
        latent = vae.encode(content)
        positive = [[text, {**options, "guidance": GUIDANCE, "reference_latents": [latent]}]]
        positive = StyleReferences.execute(positive, vae, oil).result[0]
        return Comfy(loading, expert, style, positive, {"samples": torch.zeros_like(latent)})


@pytest.fixture
def baked(tmp_path: Path) -> Path:
    """The same mix from the command line."""
    target = tmp_path / "baked.safetensors"
    styles = ["--style", OIL, COMIC, "--weight", *WEIGHTS, "--precision", "float32"]
    assert main(["bake", *map(str, (EXPERTS, target, *styles))]) == 0
    return target


def in_diffusers(baked: Path | None, steps: int = 1) -> torch.Tensor:
    """The latents of the stock way to load a LoRA in diffusers' pipeline, in the transformer's scale."""
    pipeline = load_kontext("tiny")
    pipeline.set_progress_bar_config(disable=True)
    if baked is not None:
        pipeline.load_lora_weights(load_file(baked))
    tokens = pipeline.stylise(
        read_image(CONTENT),
        PROMPT,
        [read_image(OIL)],
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        latents=kontext_noise(SEED, 256, 256),
        output_type="latent",
    ).images
    return unpack(tokens, 16)


@torch.no_grad()
def test_a_baked_mix_gives_the_same_latents_in_the_nodes_in_stock_comfyui_and_in_diffusers(shipped: Comfy, baked: Path):
    import comfy.sd
    from styleroute.nodes.styles.moe_apply import MoEApply

    base = shipped.loading.load_model()
    plain = shipped.sample(base)
    by_nodes = shipped.sample(MoEApply.execute(base, shipped.expert, 1.0, shipped.style).result[0])
    stock, _ = comfy.sd.load_lora_for_models(base, None, load_file(baked), 1.0, 0.0)
    torch.testing.assert_close(shipped.sample(stock), by_nodes, atol=1e-3, rtol=0)
    torch.testing.assert_close(in_diffusers(baked), by_nodes, atol=1e-3, rtol=0)
    torch.testing.assert_close(in_diffusers(None), plain, atol=1e-3, rtol=0)
    assert (by_nodes - plain).abs().max() > 0.3


@torch.no_grad()
def test_several_steps_stay_close_to_comfyui(shipped: Comfy, baked: Path):
    """Noise, schedule, references and prompt agree: after four steps the whole latents are still equal."""
    from styleroute.nodes.styles.moe_apply import MoEApply

    styled = MoEApply.execute(shipped.loading.load_model(), shipped.expert, 1.0, shipped.style).result[0]
    torch.testing.assert_close(in_diffusers(baked, steps=4), shipped.sample(styled, steps=4), atol=5e-3, rtol=0)


def test_the_command_writes_the_image_of_comfyui(shipped: Comfy, tmp_path: Path, capsys: pytest.CaptureFixture):
    from styleroute.nodes.styles.moe_apply import MoEApply

    output = tmp_path / "generated.png"
    arguments = [CONTENT, OIL, COMIC, "--experts", EXPERTS, "--base", "tiny", "--weight", *WEIGHTS, "--steps", 2]
    assert main(["generate", *map(str, [*arguments, "--seed", SEED, "--output", output])]) == 0, capsys.readouterr().err
    styled = MoEApply.execute(shipped.loading.load_model(), shipped.expert, 1.0, shipped.style).result[0]
    latents = shipped.sample(styled, steps=2)
    vae = shipped.loading.load_vae()
    expected = vae.first_stage_model.taesd_decoder(latents).clamp(0, 1)[0].movedim(0, -1)
    found = np.asarray(Image.open(output)).astype(float) / 255
    assert found.shape == (256, 256, 3)
    assert np.abs(found - expected.detach().numpy()).max() < 2 / 255


def test_a_saved_style_needs_its_image_as_a_reference(tmp_path: Path, capsys: pytest.CaptureFixture):
    saved, lora, outputs = tmp_path / "oil.safetensors", tmp_path / "lora.safetensors", []
    assert main(["bake", str(EXPERTS), str(lora), "--style", str(OIL), "--save-style", str(saved)]) == 0
    for name, styles in (("image", [OIL]), ("saved", [saved, "--reference", OIL]), ("alone", [saved])):
        outputs.append(tmp_path / f"{name}.png")
        arguments = [CONTENT, *styles, "--experts", EXPERTS, "--base", "tiny", "--steps", 1, "--output", outputs[-1]]
        assert main(["generate", *map(str, arguments)]) == 0
    image, again, alone = (np.asarray(Image.open(output)) for output in outputs)
    assert np.array_equal(image, again)
    assert not np.array_equal(image, alone)
    assert "Add the style image with --reference" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--output", "x.txt"], "expected a name that ends in .png"),
        (["--steps", "0"], "steps is 0"),
        (["--strength", "nan"], "strength is nan"),
        (["--weight", "1", "2"], "There are 2 weights for 1 styles"),
        (["--vision", "none.safetensors"], "cannot be read"),
        (["--base", "no/such/folder"], "is no diffusers pipeline"),
    ],
)
def test_faults_are_one_sentence(changes: list[str], sentence: str, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [str(CONTENT), str(OIL), "--experts", str(EXPERTS), "--base", "tiny", *changes]
    if "--base" in changes:
        arguments += ["--vision", "tiny"]
    assert main(["generate", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
