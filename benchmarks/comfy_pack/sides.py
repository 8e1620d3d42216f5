"""The MODELs that a benchmark compares: one random Flux without a style, with styles, and with other methods."""

import itertools
from collections.abc import Callable
from functools import cache, cached_property
from typing import NamedTuple

import torch
from comfy.model_patcher import ModelPatcher
from comfy.text_encoders.flux import T5XXLTokenizer
from torch import Tensor

import nodes

from .device import is_gpu
from .loaded_pack import loaded_pack, module_with
from .random_model import ModelSize, random_conditioning, random_flux

PROMPT, OBJECTS = "a guitar and an owl", ("guitar", "owl")
SPANS = {"object": (3, 4), "style": (6, 7, 8)}
"""Token positions of the two captured phrases."""
MOVED = "bare, moved"
"""The side whose weights are in new memory before each run, as patched weights are. On a CPU the address alone changes
a step's time by several percent."""
BYPASS = "LoraLoaderBypassModelOnly"
"""Core's node for a LoRA at run time. Older versions of ComfyUI do not have it."""


class NotAvailable(Exception):
    """This ComfyUI cannot make a side; the message says why."""


class Files(NamedTuple):
    """Files of the measured methods.

    Attributes:
        expert: full path of an expert file without a style encoder.
        loras: two LoRA files in models/loras, with the layers' names of diffusers.
        fused: two such files with the layers' names of ComfyUI, in which q, k and v are one layer.
    """

    expert: str
    loras: tuple[str, ...]
    fused: tuple[str, ...]


class Sides:
    """The sides of one random model, by name.

    Args:
        size: sizes of the model and of its latents.
        files: files of the styles.
    """

    def __init__(self, size: ModelSize, files: Files) -> None:
        self.size, self.base = size, random_flux(size)
        self.pack = loaded_pack(files.expert)
        self._seeds, self._loras, self._fused = itertools.count(), *map(itertools.cycle, (files.loras, files.fused))
        self._lora_loader = nodes.LoraLoaderModelOnly()
        self._models: dict[str, ModelPatcher] = {}

    def model(self, name: str) -> ModelPatcher:
        """The MODEL of a side, always the same one.

        Raises:
            NotAvailable: this ComfyUI cannot make it.
        """
        if name not in self._models:
            self._models[name] = self.changed(name)
        if name == MOVED and not is_gpu():
            _reallocate(self._models[name])
        return self._models[name]

    def changed(self, name: str) -> ModelPatcher:
        """The MODEL of a side with another style, or with another LoRA."""
        return MAKERS[name](self)

    @cached_property
    def conditioning(self) -> list:
        """Random text that knows its words, as Region Style Prompt gives it, with one reference."""
        prompts = module_with("StyleRoute_RegionPrompt", "with_prompt_text")
        spans = module_with("StyleRoute_CaptureAttention", "require_spans")
        prompt = prompts.PromptText(PROMPT, _tokenizer())
        text = prompts.with_prompt_text(random_conditioning(self.size), prompt)
        return spans.with_spans(text, [spans.RegionSpan(role, role, tokens) for role, tokens in SPANS.items()])

    def bare_moved(self) -> ModelPatcher:
        """A model of its own. A graphics card has room for one model only, and no such effect of addresses."""
        return self.base if is_gpu() else random_flux(self.size)

    def styled(self, **placement: object) -> ModelPatcher:
        return self.pack.apply(self.base, next(self._seeds), **placement)

    def two_masks(self) -> ModelPatcher:
        left = torch.zeros(1, 64, 64)
        left[..., :32] = 1
        return self.pack.apply(self.styled(mask=left), next(self._seeds), mask=1 - left)

    def two_objects(self) -> ModelPatcher:
        return self.pack.apply(self.styled(object=OBJECTS[0]), next(self._seeds), object=OBJECTS[1])

    def captured(self) -> ModelPatcher:
        """The model with the pack's Capture Attention."""
        return nodes.NODE_CLASS_MAPPINGS["StyleRoute_CaptureAttention"].execute(self.base, self.conditioning).args[0]

    def whole_softmax(self) -> ModelPatcher:
        """The model with maps from the full softmax matrix of every block, as most node packs compute them."""
        text, image, maps = self.size.text, self.size.cells**2 // 4, []

        def override(func, q: Tensor, k: Tensor, v: Tensor, heads: int, *args, **kwargs) -> Tensor:
            matrix = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
            rows = slice(text, text + image)
            maps[:] = [matrix[:, :, rows, list(tokens)].mean(dim=(1, 3)) for tokens in SPANS.values()]
            return (matrix @ v).transpose(1, 2).flatten(2)

        clone = self.base.clone()
        clone.model_options["transformer_options"]["optimized_attention_override"] = override
        return clone

    def stock_lora(self) -> ModelPatcher:
        return self._lora_loader.load_lora_model_only(self.base, next(self._loras), 1.0)[0]

    def bypass_lora(self) -> ModelPatcher:
        """Core's LoRA at run time. It ignores patches for parts of fused weights, so its file has fused layers."""
        loader = nodes.NODE_CLASS_MAPPINGS.get(BYPASS)
        if loader is None:
            raise NotAvailable(f"this ComfyUI has no node {BYPASS}")
        return loader().load_lora_model_only(self.base, next(self._fused), 1.0)[0]


MAKERS: dict[str, Callable[[Sides], ModelPatcher]] = {
    "bare": lambda sides: sides.base,
    MOVED: Sides.bare_moved,
    "patch": lambda sides: sides.styled(method="patch"),
    "branch": lambda sides: sides.styled(method="branch"),
    "two masks": Sides.two_masks,
    "two objects": Sides.two_objects,
    "captured maps": Sides.captured,
    "whole softmax": Sides.whole_softmax,
    "stock LoRA": Sides.stock_lora,
    "bypass LoRA": Sides.bypass_lora,
}
"""The sides by name."""


def _reallocate(model: ModelPatcher) -> None:
    for weight in model.model.diffusion_model.parameters():
        weight.data = weight.data.clone()


@cache
def _tokenizer() -> T5XXLTokenizer:
    return T5XXLTokenizer()
