"""What people write to choose blocks and steps: "all", "none", "double 0-2, single 5", "0-9, 19"."""

import re

from ...attention import AttentionError

ALL, NONE = "all", "none"
Block = tuple[str, int]
"""("double" or "single", index), as ComfyUI's `transformer_options` tell it."""

_BLOCKS = r"(double|single)\s*(?:(\d+)(?:\s*-\s*(\d+))?)?"
_STEPS = r"(\d+)(?:\s*-\s*(\d+))?"


def parse_blocks(text: str, counts: dict[str, int]) -> frozenset[Block]:
    """The blocks that `text` chooses of a model with `counts` double and single ones, counted from 0.

    Raises:
        AttentionError: it is not understood, or names a block that the model has not.
    """
    every = {(kind, index) for kind, count in counts.items() for index in range(count)}
    if (plain := text.strip().lower()) in (ALL, NONE):
        return frozenset(every if plain == ALL else ())
    chosen: set[Block] = set()
    for part in plain.split(","):
        match = re.fullmatch(_BLOCKS, part.strip())
        if match is None:
            raise AttentionError(
                f'"{part.strip()}" chooses no blocks; write all, none, or for instance "double 0-2, single 5".'
            )
        kind, first, last = match.groups()
        chosen |= {(kind, index) for index in _range(first, last, counts[kind])}
    if missing := sorted(chosen - every):
        raise AttentionError(
            f"Block {missing[0][0]} {missing[0][1]} was chosen, but this model has {counts['double']} double and "
            f"{counts['single']} single blocks, counted from 0; choose among those."
        )
    return frozenset(chosen)


def parse_steps(text: str) -> frozenset[int] | None:
    """The steps that `text` chooses, counted from 0; None: all.

    Raises:
        AttentionError: it is not understood.
    """
    if (plain := text.strip().lower()) == ALL:
        return None
    chosen: set[int] = set()
    for part in plain.split(","):
        match = re.fullmatch(_STEPS, part.strip())
        if match is None:
            raise AttentionError(f'"{part.strip()}" chooses no steps; write all, or for instance "0-9, 19".')
        chosen |= set(_range(match[1], match[2], 0))
    return frozenset(chosen)


def _range(first: str | None, last: str | None, count: int) -> range:
    """From `first` to `last`, both in digits and included; all `count` if there is no first.

    Raises:
        AttentionError: a number is absurd, or the range runs backwards.
    """
    if first is None:
        return range(count)
    if len(first) > 5 or len(last or "") > 5:
        raise AttentionError(f'"{first}" is too large a number; blocks and steps are counted from 0.')
    if int(last or first) < int(first):
        raise AttentionError(f'"{first}-{last}" runs backwards; write {last}-{first}.')
    return range(int(first), int(last or first) + 1)
