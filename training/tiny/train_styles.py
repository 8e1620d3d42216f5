"""Stage 4 of the tiny Kontext: a style encoder and a few routed experts, trained quickly, for the demo."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import SiglipVisionModel

from ...moe import EncoderConfig, StyleEncoder
from ..experts.routed_linear import AdapterConfig, Style, add_experts, trained_state
from ..flow import add_noise, sampler_sigmas
from ..progress import track
from ..style_encoder.loss import info_nce
from .checkpoints import Stage
from .config import COND_DIM, ENCODER_QUERIES, ENCODER_TAPS, ENCODER_WIDTH, SIGLIP
from .lessons import Lesson, Lessons
from .optimizer import set_rate
from .prompts import Tokenizers
from .train_kontext import TinyKontext
from .train_vision import normalize

PROMPT = "paint the picture in the style"


@dataclass(frozen=True)
class StylesConfig:
    """Sizes of the experts and schedule of both trainings."""

    encoder_steps: int = 400
    encoder_batch: int = 64
    temperature: float = 0.1
    experts: int = 8
    rank: int = 8
    top_k: int = 2
    alpha: float = 16.0
    steps: int = 600
    batch: int = 24
    peak_rate: float = 1e-3
    compile: bool = True


@torch.no_grad()
def vision_states(vision: SiglipVisionModel, pictures: Tensor) -> Tensor:
    """All layer outputs [B, L, T, D] (without the embedding's) for uint8 pictures [B, 3, 128, 128]."""
    batches = []
    for batch in pictures.split(64):
        output = vision(normalize(batch), output_hidden_states=True)
        batches.append(torch.stack(output.hidden_states[1:], dim=1))
    return torch.cat(batches)


def train_encoder(config: StylesConfig, states: Tensor, styles: list[int]) -> StyleEncoder:
    """InfoNCE over two independently drawn batches (StyleExpert, Stage 1), on cached states [N, L, T, D]."""
    # Trained anew whenever the experts go on: from the same start, so that they meet the embeddings they know.
    torch.manual_seed(0)
    encoder = StyleEncoder(encoder_config())
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor(styles)
    for _ in range(config.encoder_steps):
        first, second = torch.randint(len(labels), (2, config.encoder_batch), generator=generator)
        loss = info_nce(
            encoder(states[first]), encoder(states[second]), labels[first], labels[second], config.temperature
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.eval().requires_grad_(False)


def encoder_config() -> EncoderConfig:
    """Sizes of the tiny style encoder."""
    return EncoderConfig(
        taps=ENCODER_TAPS,
        num_queries=ENCODER_QUERIES,
        num_tokens=(SIGLIP["image_size"] // SIGLIP["patch_size"]) ** 2,
        hidden_size=SIGLIP["hidden_size"],
        proj_dim=ENCODER_WIDTH,
        cond_dim=COND_DIM,
        vision_model="the tiny SigLIP of the demo pack",
    )


def train_experts(stage: Stage, config: StylesConfig, model: TinyKontext, lessons: Lessons, embeddings: Tensor,
                  tokenizers: Tokenizers) -> dict[str, Tensor]:  # fmt: skip
    """Flow matching on paintings; each is routed by another painting of its style.

    Args:
        embeddings: style embeddings [P, cond_dim] of ``lessons.groups["paint"]``, in that order.
    """
    style = Style()
    sizes = {"experts": config.experts, "rank": config.rank, "top_k": config.top_k, "alpha": config.alpha}
    adapter_config = AdapterConfig(shared_rank=config.rank, cond_dim=COND_DIM, **sizes)
    routed = add_experts(model.requires_grad_(False).transformer, style, adapter_config)
    adapter = nn.ModuleList(routed.values())
    trained = list(trained_state(routed).values())
    optimizer = torch.optim.AdamW(trained, lr=config.peak_rate, betas=(0.9, 0.99), weight_decay=0.0)
    stage.restore(adapter=adapter, optimizer=optimizer)
    if config.compile:
        model.transformer.compile(dynamic=False)
    text = [encoded.detach() for encoded in model.text(*tokenizers([PROMPT]))]
    paintings = lessons.groups["paint"]
    for step in track(stage, "experts"):
        rng = random.Random(step)
        set_rate(optimizer, stage.rate())
        chosen = [rng.randrange(len(paintings)) for _ in range(config.batch)]
        style.embedding = embeddings[[_other_of_style(index, paintings, rng) for index in chosen]]
        loss = _loss(model, lessons, [paintings[index] for index in chosen], text, step, rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        stage.losses.append(loss.item())
        if step % 100 == 99:
            stage.save(adapter=adapter, optimizer=optimizer)
    stage.save(adapter=adapter, optimizer=optimizer)
    return {name: parameter.detach() for name, parameter in trained_state(routed).items()}


def _loss(model: TinyKontext, lessons: Lessons, chosen: list[Lesson], text: list[Tensor], step: int,
          rng: random.Random) -> Tensor:  # fmt: skip
    top, left = 2 * rng.randint(0, 8), 2 * rng.randint(0, 8)
    window = (slice(None), slice(None), slice(top, top + 16), slice(left, left + 16))
    target = lessons.latents[[lesson.target for lesson in chosen]].float()[window]
    reference = lessons.latents[[lesson.scene for lesson in chosen]].float()[window]
    generator = torch.Generator().manual_seed(step)
    noise = torch.randn(target.shape, generator=generator)
    sigma = sampler_sigmas(len(target), generator)
    prompts = tuple(part.expand(len(target), *part.shape[1:]) for part in text)
    with torch.autocast("cpu", torch.bfloat16):
        noisy = add_noise(target, noise, sigma)
        velocity = model.velocity(noisy, reference, sigma, prompts, torch.full_like(sigma, 3.5), (top // 2, left // 2))
    return functional.mse_loss(velocity.float(), noise - target)


def _other_of_style(index: int, paintings: list[Lesson], rng: random.Random) -> int:
    """Another painting of the same style, of another scene wherever there is one."""
    mine = paintings[index]
    others = [i for i, p in enumerate(paintings) if p.style == mine.style and p.scene != mine.scene]
    return rng.choice(others) if others else index
