"""Changes the style of a pipeline between images. The weights of the base model stay as they are."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..errors import StyleExpertError
from ..moe import StyleExpert
from ..moe.collapse import LowRank
from ..moe.lora import lora_state
from ..progress import console


def set_style(pipeline: Any, pairs: Mapping[str, LowRank]) -> None:
    """Replace the pipeline's style. The transformer adds the pairs while it runs, so styles leave no rounding errors.

    Args:
        pipeline: a pipeline of diffusers with a FLUX transformer.
        pairs: low-rank pairs by diffusers layer name; empty for the base model alone.
    """
    transformer = pipeline.transformer
    if getattr(transformer, "peft_config", None):
        transformer.unload_lora()
    if pairs:
        transformer.load_lora_adapter(lora_state(pairs, transformer.dtype))


def fitting_layers(pipeline: Any, expert: StyleExpert) -> list[str]:
    """The layers of the experts that the transformer has. The others are listed on the console.

    Raises:
        StyleExpertError: the experts belong to another base model: a layer has another size, or a block is missing.
    """
    linears = {name: part for name, part in pipeline.transformer.named_modules() if isinstance(part, nn.Linear)}
    blocks = {_block(name) for name in linears}
    for layer in expert.layers:
        if layer in linears:
            _require_size(expert, layer, linears[layer])
        elif _block(layer) not in blocks:
            raise _misfit(expert, f"the base model has no block {_block(layer)}")
    absent = [layer for layer in expert.layers if layer not in linears]
    if len(absent) == len(expert.layers):
        raise _misfit(expert, "the base model has none of its layers")
    _print_absent(expert, [*expert.skipped_layers, *absent])
    return [layer for layer in expert.layers if layer in linears]


def _block(layer: str) -> str:
    """The block of a layer, such as `transformer_blocks.3`; of other layers, the empty string."""
    stack, _, rest = layer.partition(".")
    return f"{stack}.{rest.partition('.')[0]}" if stack.endswith("transformer_blocks") else ""


def _print_absent(expert: StyleExpert, absent: list[str]) -> None:
    if absent:
        number = "1 layer" if len(absent) == 1 else f"{len(absent)} layers"
        more = "" if len(absent) == 1 else " and others"
        console.print(
            f"{expert.path.name} changes {number} that the base model does not have: {absent[0]}{more}. Left out.",
            soft_wrap=True, markup=False,
        )  # fmt: skip


def _require_size(expert: StyleExpert, layer: str, linear: nn.Linear) -> None:
    found, wanted = expert.layer_shapes[layer], (linear.out_features, linear.in_features)
    if found != wanted:
        raise _misfit(expert, f"its layer {layer} has the size {found}, the base model's has {wanted}")


def _misfit(expert: StyleExpert, problem: str) -> StyleExpertError:
    return StyleExpertError(
        f"{expert.path.name} does not fit this base model: {problem}. Give --base with the model of these experts "
        f"({expert.config.base}), or other --experts."
    )
