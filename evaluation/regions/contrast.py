"""`styleroute evaluate contrast`: the contrast of attention maps for objects in the image, and for absent objects.

The nodes show this contrast. The figures say which contrast an absent object reaches, and whether the nodes can warn.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from ...attention import contrast
from ...attention.selection import parse_blocks
from ...comfy_client.workflow import Prompt, inputs_of
from ...dataset.objects import TEST_OBJECTS, load_objects
from ...dataset.photos import load_photos
from ...dataset.scenes import IMAGE_SIDE, Scene, make_scene
from ...progress import track
from ..comfy_generator import ComfyGenerator, evaluation_server
from .comfy_generator import MAP_READER_PACK
from .config import ContrastConfig
from .workflow import MAP_READER, WORKFLOW, fill, with_map_reader

SMOOTHING = 1.0
"""Blur before the contrast, in cells; the same as in the nodes."""
BASE, EXPERT = "base model", "region expert"
ALL_BLOCKS = "all"
COUNTS = {"double": 3, "single": 6}
"""Blocks of the small Kontext."""

BlockMaps = dict[str, dict[str, list[list[float]]]]
"""Attention maps by phrase, such as "style: indigo dots", and by block, such as "single 2"."""
Generate = Callable[[Path, str, int, bool], BlockMaps]
"""Generates an image from a photo, a prompt and a seed, with or without the region expert: the maps."""


@dataclass(frozen=True)
class ContrastRow:
    """The contrasts of one phrase in all scenes.

    Attributes:
        model: BASE or EXPERT.
        blocks: the blocks of the mean map.
        phrase: "style" or "object".
        present: contrasts if the prompt names an object of the image.
        absent: contrasts if the prompt names an object that the image does not have.
    """

    model: str
    blocks: str
    phrase: str
    present: list[float]
    absent: list[float]

    @property
    def separation(self) -> float:
        """Probability that a present object has more contrast than an absent one; 0.5 is chance."""
        pairs = [(p > a) + 0.5 * (p == a) for p in self.present for a in self.absent]
        return sum(pairs) / len(pairs)


def measure_contrast(
    config: ContrastConfig, open_generator: Callable[[ContrastConfig], AbstractContextManager[Generate]] | None = None
) -> list[ContrastRow]:
    """Generates each scene with a present and an absent object, with and without the expert.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed.
    """
    config.output.mkdir(parents=True, exist_ok=True)
    trials = list(_trials(config))
    found: dict[tuple[str, bool], list[BlockMaps]] = {}
    with (open_generator or _open_generator)(config) as generate:
        for number, (photo, words) in enumerate(track(trials, "scenes")):
            for model in (BASE, EXPERT):
                for is_present, word in words.items():
                    text = f"make the {word} in {config.style} style, keep other area unchanged"
                    maps = generate(photo, text, config.seed + number, model == EXPERT)
                    found.setdefault((model, is_present), []).append(maps)
    return [
        _row(found, model, blocks, phrase)
        for model in (BASE, EXPERT)
        for blocks in (ALL_BLOCKS, config.blocks)
        for phrase in ("style", "object")
    ]


def contrast_table(rows: Sequence[ContrastRow]) -> Table:
    """One row per model, blocks and phrase: median, lowest and highest contrast."""
    table = Table("model", "blocks", "phrase", "present", "absent", "separation", title="Contrast of attention maps")
    for row in rows:
        spread = (_spread(row.present), _spread(row.absent))
        table.add_row(row.model, row.blocks, row.phrase, *spread, f"{row.separation:.0%}")
    return table


def _trials(config: ContrastConfig) -> Iterator[tuple[Path, dict[bool, str]]]:
    """The photo of each scene, and the object's name by whether it is present."""
    rng = random.Random(config.seed)
    photos = load_photos("test")
    objects = [cutout for cutout in load_objects() if cutout.name in TEST_OBJECTS]
    for number in range(config.scenes):
        scene = make_scene(photos[number % len(photos)], objects, 1 + number % 2, IMAGE_SIDE, rng, crop=False)
        absent = rng.choice([cutout.name for cutout in objects if cutout.name not in scene.masks])
        yield _write(scene, config.output / f"scene_{number}.png"), {True: next(iter(scene.masks)), False: absent}


def _write(scene: Scene, path: Path) -> Path:
    Image.fromarray((scene.image * 255).round().astype(np.uint8)).save(path)
    return path


@contextmanager
def _open_generator(config: ContrastConfig) -> Iterator[Generate]:
    """Starts a ComfyUI with the small Kontext; stops it at the end of the block."""
    with evaluation_server(MAP_READER_PACK) as server:
        generator = ComfyGenerator(server, WORKFLOW)
        workflow = with_map_reader(generator.workflow)
        expert = generator.install_expert(config.expert, "contrast")

        def generate(photo: Path, text: str, seed: int, with_expert: bool) -> BlockMaps:
            prompt: Prompt = fill(
                workflow,
                photo=generator.upload(photo),
                text=text,
                seed=seed,
                expert=expert if with_expert else "none",
                lock=0.0,
                blocks=ALL_BLOCKS,
            )
            inputs_of(prompt, "Evaluation_ReadMaps")["each_block"] = True
            return json.loads(generator.run(prompt)[MAP_READER]["maps"][0])

        yield generate


def _row(found: dict[tuple[str, bool], list[BlockMaps]], model: str, blocks: str, phrase: str) -> ContrastRow:
    present, absent = (
        [contrast(_mean(maps, blocks, phrase), SMOOTHING) for maps in found[model, is_present]]
        for is_present in (True, False)
    )
    return ContrastRow(model, blocks, phrase, present, absent)


def _mean(maps: BlockMaps, blocks: str, phrase: str) -> Tensor:
    """The mean map [h, w] of a phrase over some blocks."""
    (by_block,) = (values for name, values in maps.items() if name.startswith(f"{phrase}: "))
    names = [block.name for block in parse_blocks(blocks, COUNTS)]
    return torch.tensor([by_block[name] for name in names]).mean(0)


def _spread(values: Sequence[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
