"""The grammar for choosing blocks and steps: "all", "double 0-2, single 5", "0-9, 19".

Nodes and trainers use the same grammar. Blocks and steps count from 0.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..errors import AttentionError
from ..plain_text import quoted

ALL, NONE = "all", "none"
MIDDLE = "middle"
"""Chooses the middle half of the network's blocks."""
MOST_DIGITS = 5
"""Upper limit for the digits of a number: a longer one is a typing error, and its range would fill the memory."""

_BLOCKS = r"(double|single)\s*(?:(\d+)(?:\s*-\s*(\d+))?)?"
_STEPS = r"(\d+)(?:\s*-\s*(\d+))?"


class Block(NamedTuple):
    """A transformer block of Flux: kind "double" or "single", and its index within the kind."""

    kind: str
    index: int

    @property
    def name(self) -> str:
        """For instance "double 3"."""
        return f"{self.kind} {self.index}"


def all_blocks(counts: Mapping[str, int]) -> tuple[Block, ...]:
    """Every block of a model with ``counts`` "double" and "single" blocks, in the order of the network."""
    return tuple(Block(kind, index) for kind in ("double", "single") for index in range(counts[kind]))


def parse_blocks(text: str, counts: Mapping[str, int]) -> tuple[Block, ...]:
    """The blocks that ``text`` chooses, in the order of the network.

    Args:
        text: "none", or a list of "all", "middle", "double", "single", "double 3" and "single 0-9" with commas.
        counts: numbers of the model's "double" and "single" blocks.

    Raises:
        AttentionError: the text does not follow the grammar, or names a block that the model does not have.
    """
    network = all_blocks(counts)
    if text.strip().lower() == NONE:
        return ()
    chosen = {block for part in text.lower().split(",") for block in _blocks(part.strip(), network, counts)}
    if missing := sorted(chosen - set(network)):
        raise AttentionError(
            f"Block {missing[0].name} was chosen, but this model has {counts['double']} double and "
            f"{counts['single']} single blocks, counted from 0. Choose blocks of this model."
        )
    return tuple(block for block in network if block in chosen)


def parse_steps(text: str) -> frozenset[int] | None:
    """The steps that ``text`` chooses; None means all steps.

    Raises:
        AttentionError: the text does not follow the grammar.
    """
    if (plain := text.strip().lower()) == ALL:
        return None
    chosen: set[int] = set()
    for part in plain.split(","):
        match = re.fullmatch(_STEPS, part.strip())
        if match is None:
            raise AttentionError(f'{quoted(part.strip())} chooses no steps. Write all, or for instance "0-9, 19".')
        chosen.update(_range(match[1], match[2]))
    return frozenset(chosen)


def _blocks(part: str, network: tuple[Block, ...], counts: Mapping[str, int]) -> Iterator[Block]:
    """The blocks of one part of the list."""
    if part in (ALL, MIDDLE):
        quarter = len(network) // 4 if part == MIDDLE else 0
        yield from network[quarter : len(network) - quarter]
        return
    match = re.fullmatch(_BLOCKS, part)
    if match is None:
        raise AttentionError(
            f'{quoted(part)} chooses no blocks. Write all, middle, none, or for instance "double 0-2, single 5".'
        )
    kind, first, last = match.groups()
    for index in range(counts[kind]) if first is None else _range(first, last):
        yield Block(kind, index)


def _range(first: str, last: str | None) -> range:
    """The range from ``first`` to ``last``, both given as digits and both included.

    Raises:
        AttentionError: a number has too many digits, or the range runs backwards.
    """
    last = last or first
    if max(len(first), len(last)) > MOST_DIGITS:
        raise AttentionError(f"{quoted(max(first, last, key=len))} is too large. Blocks and steps count from 0.")
    if int(last) < int(first):
        raise AttentionError(f"{quoted(f'{first}-{last}')} runs backwards. Write {last}-{first}.")
    return range(int(first), int(last) + 1)
