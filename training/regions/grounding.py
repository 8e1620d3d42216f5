"""Training examples of the grounding LoRA: every object of a scene, named in prompts of several forms, no style.

The target is the unchanged image. The prompts name the objects in both orders, because the place of an object must not
follow from its place in the prompt.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from ...attention.phrases import Mention, without_article
from ...dataset.region_manifest import Region, RegionExample
from ...dataset.scenes import with_article
from ..bases import Base
from .spans import DescribedExample, MaskedSpan, mention_span, split_tokens

GROUND = "ground"
"""Name of the task, and of the grounding LoRA's run and file."""

FORMS = ("{}", "a photo of {}", "{} in the picture")
ARTICLES = (with_article, "the {}".format, str)
"""Forms of a prompt, and of the name of an object in it. The name alone is supervised, without its article."""


def describe_objects(
    rows: Sequence[RegionExample], base: Base, each_token: bool = False, all_prompts: bool = True
) -> list[DescribedExample]:
    """Examples that name the objects of each scene, with the tokens of each name. Nothing is encoded yet.

    Args:
        rows: the examples of a dataset. Examples with the same original image show the same scene.
        base: the base model, whose tokenizer splits the prompts.
        each_token: make a span of each token.
        all_prompts: make an example for each prompt of `namings`; otherwise for the first only.

    Raises:
        AttentionError: a name lies behind the last token of a prompt.
    """
    tokenizer, length = base.tokenizer, base.text_sizes[0]
    styles = cycle((form, article) for article in ARTICLES for form in FORMS)
    described = []
    for original, regions in scenes_of(rows).items():
        for named in namings(regions)[: None if all_prompts else 1]:
            prompt, mentions = write_prompt([region.object for region in named], *next(styles))
            spans = _spans(tokenizer, prompt, mentions, named, length)
            example = RegionExample(prompt, original, original, named)
            described.append((example, split_tokens(spans) if each_token else spans))
    return described


def scenes_of(rows: Iterable[RegionExample]) -> dict[Path, tuple[Region, ...]]:
    """The objects of each scene without their styles, by the original image."""
    scenes: dict[Path, dict[str, Region]] = {}
    for row in rows:
        objects = scenes.setdefault(row.original, {})
        for region in row.regions:
            objects.setdefault(region.object, Region(region.object, "", region.mask))
    return {original: tuple(objects.values()) for original, objects in scenes.items()}


def namings(regions: Sequence[Region]) -> list[tuple[Region, ...]]:
    """The objects that each prompt of a scene names: all of them in both orders, and each one alone."""
    forwards = tuple(regions)
    if len(forwards) == 1:
        return [forwards]
    return [forwards, forwards[::-1], *((region,) for region in forwards)]


def write_prompt(names: Sequence[str], form: str = FORMS[0], article: Any = with_article) -> tuple[str, list[Mention]]:
    """A prompt such as "a photo of a guitar and an owl", and where it mentions each object.

    Args:
        names: the objects.
        form: the text around the list of objects, with {} for the list.
        article: gives a name its article.
    """
    prompt, rest = form.split("{}")
    mentions = []
    for number, name in enumerate(names):
        bare = without_article(name)
        full = article(bare) if bare == name else name
        prompt += (" and " if number else "") + full.removesuffix(bare)
        mentions.append(Mention(bare, prompt))
        prompt += bare
    return prompt + rest, mentions


def _spans(
    tokenizer: Any, prompt: str, mentions: Sequence[Mention], regions: Sequence[Region], length: int
) -> tuple[MaskedSpan, ...]:
    pairs = zip(mentions, regions, strict=True)
    return tuple(mention_span(tokenizer, prompt, mention, (region.mask,), length) for mention, region in pairs)
