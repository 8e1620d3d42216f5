"""Times steps and changes of style on a random Flux of hidden size 1024. Both sides alternate in one run."""

import dataclasses
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence

import comfy.sample
import comfy.supported_models
import torch
from comfy.ldm.flux.model import FluxParams
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

import nodes

CONTEXT, VECTOR, TEXT_TOKENS = 128, 64, 32
LATENT = (1, 16, 64, 64)
STEPS = 4
"""Sampling steps of a timed run."""
CHANGES = 5
"""Changes of style per pair of steps; they are fast, so more can be measured."""
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "context_in_dim": CONTEXT,
    "vec_in_dim": VECTOR,
    "hidden_size": 1024,
    "num_heads": 8,
    "mlp_ratio": 4.0,
    "depth": 2,
    "depth_single_blocks": 4,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
}
if "txt_ids_dims" in {field.name for field in dataclasses.fields(FluxParams)}:
    FLUX["txt_ids_dims"] = []


class FirstStep(Exception):
    """Raised when the sampler calls the model for the first time."""


def measure(expert_path: str, loras: Sequence[str], pairs: int) -> dict:
    """Seconds of the pack and of bare ComfyUI for each pair, and the bytes read for one style."""
    apply_style, expert, style = _pack(expert_path)
    base, bare, lora = random_flux(), random_flux(), nodes.LoraLoaderModelOnly()
    seeds, names = itertools.count(), iter(loras * (CHANGES * pairs + 1))

    def styled() -> ModelPatcher:
        return apply_style.execute(base, expert, 1.0, style(next(seeds))).args[0]

    def with_lora() -> ModelPatcher:
        return lora.load_lora_model_only(base, next(names), 1.0)[0]

    def bare_step() -> float:
        _reallocate(bare)
        return step_seconds(bare)

    whole_image = styled()
    read = expert.bytes_read
    return {
        "step": _alternating(lambda: step_seconds(whole_image), bare_step, pairs),
        "change": _alternating(lambda: change_seconds(styled), lambda: change_seconds(with_lora), CHANGES * pairs),
        "bytes_read": read,
        "bytes_of_file": os.path.getsize(expert_path),
    }


def step_seconds(model: ModelPatcher) -> float:
    """Shortest pass through the transformer in a sampling run; longer passes were disturbed by other programs."""
    seconds = []

    def timed(executor, *args, **kwargs) -> Tensor:
        began = time.perf_counter()
        output = executor(*args, **kwargs)
        seconds.append(time.perf_counter() - began)
        return output

    _sample(model, timed, STEPS)
    return min(seconds)


def change_seconds(make: Callable[[], ModelPatcher]) -> float:
    """Seconds from the change of style (or LoRA) until the sampler calls the model for its first step."""

    def stop(executor, *args, **kwargs):
        raise FirstStep

    began = time.perf_counter()
    try:
        _sample(make(), stop)
    except FirstStep:
        return time.perf_counter() - began
    raise RuntimeError("the sampler never called the model")


def random_flux() -> ModelPatcher:
    """A Flux of ComfyUI's own class with random weights, in float32 on the CPU."""
    config = comfy.supported_models.Flux(dict(FLUX))
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "")
    generator = torch.Generator().manual_seed(0)
    for weight in model.diffusion_model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * (0.02 if weight.ndim > 1 else 1.0)
    model.diffusion_model.eval()
    return ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def _reallocate(model: ModelPatcher) -> None:
    """Move the weights to new memory, as patching does. The address alone changes a step's time by several percent."""
    for weight in model.model.diffusion_model.parameters():
        weight.data = weight.data.clone()


def _pack(expert_path: str) -> tuple[type, object, Callable[[int], object]]:
    """The loaded pack's MoE Apply, the opened expert, and a function that makes random styles."""
    apply_style = nodes.NODE_CLASS_MAPPINGS["StyleRoute_MoEApply"]
    module = sys.modules[apply_style.__module__]
    expert = module.StyleExpert.open(expert_path)

    def style(seed: int) -> object:
        embedding = torch.randn(1, expert.config.cond_dim, generator=torch.Generator().manual_seed(seed))
        return module.Style(embedding, num_references=1, encoder_id="")

    return apply_style, expert, style


def _alternating(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> list[tuple[float, float]]:
    """(ours, theirs) for each pair, after a warm-up of both; the order alternates from pair to pair."""
    ours(), theirs()
    measured = []
    for pair in range(pairs):
        if pair % 2:
            second = theirs()
            measured.append((ours(), second))
        else:
            measured.append((ours(), theirs()))
    return measured


def _sample(model: ModelPatcher, wrapper: Callable, steps: int = 1) -> None:
    """Run Euler steps with one reference, as KSampler does; `wrapper` wraps the transformer."""
    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "benchmark", wrapper)
    generator = torch.Generator().manual_seed(1)
    noise, reference = (torch.randn(LATENT, generator=generator) for _ in range(2))
    text = torch.randn(1, TEXT_TOKENS, CONTEXT, generator=generator)
    extra = {"pooled_output": torch.zeros(1, VECTOR), "guidance": 3.5, "reference_latents": [reference]}
    conditioning = [[text, extra]]
    with torch.inference_mode():
        comfy.sample.sample(
            model,
            noise,
            steps,
            1.0,
            "euler",
            "simple",
            conditioning,
            conditioning,
            torch.zeros(LATENT),
            disable_pbar=True,
        )
