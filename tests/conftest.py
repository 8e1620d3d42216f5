"""Fixtures for all tests: stand-ins for downloads (no test needs the network), ComfyUI, and a Python without extras.

The small random FLUX.1 Kontext lies in a folder of diffusers' layout, like a user's download.
"""

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxKontextPipeline, FluxTransformer2DModel
from styleroute.comfy_client import find_comfyui
from styleroute.dataset.objects import Cutout
from styleroute.dataset.photos import Photo
from styleroute.errors import ComfyNotFound
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

WIDTH = 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"
EXTRAS = ("accelerate", "diffusers", "peft", "rich", "sklearn", "skimage", "torchmetrics", "transformers", "tyro")
"""Packages that ComfyUI's own Python may lack; ComfyUI itself imports transformers, but no command for artists may."""
IMPORT_BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
"""Makes the import of every package in `EXTRAS` fail, as a `sitecustomize.py`."""


def pytest_configure() -> None:
    """Shares the cores among the processes of the tests, and among the programs that they start."""
    if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        threads = max(1, (os.cpu_count() or 1) // int(processes))
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)


@pytest.fixture
def photo() -> Photo:
    return Photo("noise", np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))


@pytest.fixture
def objects() -> list[Cutout]:
    """Cutouts of an orange ball and a green coin."""
    disc = np.zeros((64, 64, 4), dtype=np.uint8)
    rows, cols = np.mgrid[:64, :64]
    disc[(rows - 32) ** 2 + (cols - 32) ** 2 < 900] = (230, 120, 60, 255)
    return [Cutout("ball", disc), Cutout("coin", disc[..., [1, 0, 2, 3]])]


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables for a Python process in which no package of `EXTRAS` can be imported."""
    folder = tmp_path_factory.mktemp("bare_python")
    (folder / "sitecustomize.py").write_text(IMPORT_BLOCKER)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The folder of ComfyUI, importable in this process and set to the CPU. Without ComfyUI the test is skipped."""
    try:
        folder = find_comfyui()
    except ComfyNotFound as error:
        pytest.skip(str(error))
    sys.path.insert(0, str(folder))
    importlib.import_module("comfy.cli_args").args.cpu = True
    return folder


@pytest.fixture(scope="session")
def kontext_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FLUX.1 Kontext with one double and one single block, two heads of width 16, text encoders and VAE."""
    folder = tmp_path_factory.mktemp("kontext")
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    clip, t5 = _clip(), _t5()
    pipeline = FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(),
        text_encoder=clip[0],
        tokenizer=clip[1],
        text_encoder_2=t5[0],
        tokenizer_2=t5[1],
        transformer=transformer,
    )
    pipeline.save_pretrained(folder)
    return folder


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4,) * 4,
        norm_num_groups=2,
        layers_per_block=1,
        latent_channels=16,
        shift_factor=0.1159,
        scaling_factor=0.3611,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _clip() -> tuple[CLIPTextModel, CLIPTokenizer]:
    """A CLIP text model whose tokens are single letters."""
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    last = len(words) - 1
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_attention_heads=1,
        num_hidden_layers=1,
        projection_dim=WIDTH,
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTextModel(config), CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _t5() -> tuple[T5EncoderModel, T5TokenizerFast]:
    """A T5 encoder whose tokens are single letters."""
    words = ["<pad>", "</s>", "<unk>", "\u2581", *LETTERS]
    config = T5Config(vocab_size=len(words), d_model=WIDTH, d_ff=WIDTH, d_kv=8, num_heads=2, num_layers=1)
    tokenizer = T5TokenizerFast(vocab=[(word, -float(index)) for index, word in enumerate(words)], extra_ids=0)
    return T5EncoderModel(config), tokenizer
