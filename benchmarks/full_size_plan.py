"""What `benchmark --full-size` would measure, for a machine without a graphics card: counted on the meta device."""

from collections.abc import Iterator

import torch
from diffusers import FluxTransformer2DModel
from rich.table import Table

from .cases import CASES, PEERS
from .comfy_ratios import ModelSizes
from .cost import KONTEXT as DIFFUSERS_KONTEXT
from .cost import count_cost
from .experts import RANK, limit
from .full_size import FORMS, GPU_TRAINING, KONTEXT
from .mixtures import MIXTURES
from .nodes import IMPORT_LIMIT_MS
from .random_files import CONFIG, adapted_layers, bytes_of_experts

BYTES = {"bf16": 2, "fp8": 1}


def plan_text(sizes: ModelSizes = KONTEXT) -> str:
    """Sizes of the model and of a style, and the operations of a step, from the meta device."""
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in FluxTransformer2DModel(**DIFFUSERS_KONTEXT).parameters())
    operations = count_cost("base model", None, DIFFUSERS_KONTEXT, sizes.tokens).operations
    stored = ", ".join(f"{parameters * BYTES[form] / 1e9:.1f} GB in {form}" for form in FORMS)
    return (
        f"FLUX.1 Kontext: {sizes.double} + {sizes.single} blocks, {parameters / 1e9:.2f} B weights ({stored}), "
        f"{operations / 1e12:.1f} T operations a step with {sizes.tokens:,} image tokens. A random expert file of "
        f"{bytes_of_experts(sizes.blocks) / 1e9:.2f} GB ({CONFIG.num_experts} experts of rank {CONFIG.rank}, "
        f"{len(adapted_layers(sizes.blocks))} layers) is written to the temporary folder. The system's memory holds "
        "the model too, because ComfyUI loads it from there."
    )


def plan_table(sizes: ModelSizes = KONTEXT) -> Table:
    """Every measurement of the run, in its order, with its bound."""
    table = Table(title=f"Plan: each row with weights in {' and '.join(FORMS)}, until the time limit")
    for heading in ("what", "against"):
        table.add_column(heading)
    table.add_column("at most", justify="right")
    for what, against, most in _rows(sizes):
        table.add_row(what, against, "" if most is None else f"{most:.3g}")
    return table


def _rows(sizes: ModelSizes) -> Iterator[tuple[str, str, float | None]]:
    yield "bytes read for a style; seconds to read it and to move it to the card", "the whole file", None
    for case in (*CASES, *PEERS):
        measured = f"{case.what}, and its peak memory" if case.kind == "step" else case.what
        yield measured, case.against, case.limit(sizes.hidden)
        if case.has_memory:
            yield f"{case.what}: peak memory", case.against, case.memory_limit(sizes.hidden)
    for what in MIXTURES:
        yield f"step in diffusers, {what} (bf16)", "the bare step", None
    for batch, cells in GPU_TRAINING:
        yield (
            f"training step, batch {batch}, latents {cells} x {cells}, and its peak memory (bf16)",
            f"PEFT LoRA, rank {RANK}",
            limit(batch, cells),
        )
    yield "import of the pack, in milliseconds (once)", "ComfyUI without it", IMPORT_LIMIT_MS
