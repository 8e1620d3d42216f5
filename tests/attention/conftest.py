"""The T5 tokenizer from transformers, and inside ComfyUI's wrapper; its vocabulary comes from ComfyUI's tree."""

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from styleroute.comfy_client import find_comfyui

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def t5() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.T5TokenizerFast.from_pretrained(find_comfyui() / "comfy" / "text_encoders" / "t5_tokenizer")


@pytest.fixture(scope="session")
def comfyui_sd1_clip() -> ModuleType:
    """ComfyUI's module that reads weights such as `(word:1.2)`."""
    sys.path.insert(0, str(find_comfyui()))
    importlib.import_module("comfy.cli_args").args.cpu = True
    return importlib.import_module("comfy.sd1_clip")


@pytest.fixture(scope="session")
def comfy_t5(comfyui_sd1_clip: ModuleType) -> Any:
    """The tokenizer that is `clip.tokenizer.t5xxl` for FLUX.1."""
    return importlib.import_module("comfy.text_encoders.flux").T5XXLTokenizer()
