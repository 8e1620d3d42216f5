"""The demo pack in this process, with random weights from transformers and diffusers."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file
from styleroute.comfy_client import find_comfyui
from styleroute.flux.layouts import to_comfy
from styleroute.paths import PACK
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
)

DEMO_PACK = PACK / "examples" / "tiny_kontext"
VAE_SCALE, VAE_SHIFT = 0.3611, 0.1159
WIDTH = 64


@dataclass(frozen=True)
class Reference:
    """An independent reference: the same weights in the models of other libraries."""

    folder: Path
    transformer: FluxTransformer2DModel
    t5: T5EncoderModel
    clip: CLIPTextModel
    siglip: SiglipVisionModel


def build_reference(folder: Path) -> Reference:
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=3,
        num_single_layers=6,
        num_attention_heads=2,
        joint_attention_dim=128,
        pooled_projection_dim=64,
        guidance_embeds=True,
    )
    t5 = T5Config(
        d_model=128, d_ff=256, d_kv=32, num_heads=4, num_layers=2, vocab_size=32128, feed_forward_proj="gated-gelu"
    )
    clip = CLIPTextConfig(
        hidden_size=64,
        intermediate_size=256,
        num_attention_heads=1,
        num_hidden_layers=2,
        projection_dim=64,
        eos_token_id=49407,
    )
    # ComfyUI's layer norms always have an epsilon of 1e-5.
    siglip = SiglipVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_attention_heads=3,
        num_hidden_layers=6,
        image_size=128,
        patch_size=16,
        layer_norm_eps=1e-5,
    )
    models = transformer, T5EncoderModel(t5), CLIPTextModel(clip), SiglipVisionModel(siglip)
    return Reference(folder, *(model.half().float().eval() for model in models))  # rounded as in the files


def write_models(reference: Reference) -> None:
    """The four files of the demo pack, and a VAE of random weights, in ComfyUI's layout and float16."""
    parts = {
        "transformer": to_comfy(reference.transformer.state_dict()),
        "t5": reference.t5.state_dict(),
        "clip_l": with_prefix(reference.clip.state_dict(), "text_model."),
        "siglip": with_prefix(reference.siglip.state_dict(), "vision_model."),
    }
    reference.folder.mkdir(parents=True, exist_ok=True)
    for name, state in parts.items():
        halves = {key: tensor.half().contiguous() for key, tensor in state.items() if "embed_tokens" not in key}
        save_file(halves, reference.folder / f"{name}.safetensors")
    save_file(random_vae(), reference.folder / "vae.safetensors")


def with_prefix(state: dict, prefix: str) -> dict:
    """Adds the prefix of ComfyUI's files, which transformers 5 dropped."""
    return {prefix + key.removeprefix(prefix): tensor for key, tensor in state.items()}


def random_vae() -> dict[str, torch.Tensor]:
    """The state dict of a small random TAESD with 16 latent channels."""
    state = {"vae_scale": torch.tensor(VAE_SCALE), "vae_shift": torch.tensor(VAE_SHIFT)}

    def conv(key: str, inputs: int = WIDTH, outputs: int = WIDTH, bias: bool = True) -> None:
        state[f"{key}.weight"] = torch.randn(outputs, inputs, 3, 3) / (9 * inputs) ** 0.5
        if bias:
            state[f"{key}.bias"] = torch.zeros(outputs)

    def block(key: str) -> None:
        for layer in (0, 2, 4):
            conv(f"{key}.conv.{layer}")

    conv("taesd_encoder.0", inputs=3)
    conv("taesd_encoder.14", outputs=16)
    conv("taesd_decoder.1", inputs=16)
    conv("taesd_decoder.19", outputs=3)
    for side, blocks, samplers in (
        ("taesd_encoder", (1, 3, 4, 5, 7, 8, 9, 11, 12, 13), (2, 6, 10)),
        ("taesd_decoder", (3, 4, 5, 8, 9, 10, 13, 14, 15, 18), (7, 12, 17)),
    ):
        for index in blocks:
            block(f"{side}.{index}")
        for index in samplers:
            conv(f"{side}.{index}", bias=False)
    return state


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Reference:
    reference = build_reference(tmp_path_factory.mktemp("models"))
    write_models(reference)
    return reference


@pytest.fixture(scope="session")
def tiny_kontext() -> ModuleType:
    """The demo pack, imported by its path as ComfyUI does."""
    sys.path.insert(0, str(find_comfyui()))
    importlib.import_module("comfy.cli_args").args.cpu = True
    spec = importlib.util.spec_from_file_location("tiny_kontext_pack", DEMO_PACK / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def loading(tiny_kontext, reference, monkeypatch) -> ModuleType:
    monkeypatch.setenv("TINY_KONTEXT_MODELS", str(reference.folder))
    return tiny_kontext.loading
