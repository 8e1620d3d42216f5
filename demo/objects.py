"""The demo that gives each named object of a photo the style of an image of its own."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ..attention.phrases import without_article
from ..comfy_client import Prompt, find_node, inputs_of
from ..errors import DataError
from ..paths import PACK
from ..plain_text import quoted
from ..storage.image_reader import read_image
from .demo import Demo
from .images import square

WORKFLOW = PACK / "example_workflows" / "two_objects_two_styles.json"
SCENE = PACK / "assets" / "scene_guitar.png"
"""The default photo: a guitar and an owl."""
MAX_OBJECTS = 4
"""Style References takes this number of style images."""
KINDS = ("Style image", "Style", "Object")
"""Titles of the nodes that each object has; a number follows."""
EXPECTED = 'expected an object and a style image, such as "the guitar=STYLE.png"'


class ObjectStyle(NamedTuple):
    """An object, as the user names it, and its style image."""

    phrase: str
    image: Image.Image


def objects_demo(photo: Path | None, pairs: Sequence[str], seed: int, strength: float) -> Demo:
    """Returns the demo. The default photo shows a guitar and an owl.

    Args:
        photo: the photo.
        pairs: an object and its style image each, such as "the guitar=STYLE.png".
        seed: random seed of the result.
        strength: strength of all styles.

    Raises:
        DataError: a pair is not complete, an object occurs twice, there are too many, or an image cannot be read.
    """
    styles = read_pairs(pairs)
    numbers = range(1, len(styles) + 1)
    images = {f"style_{number}": square(style.image) for number, style in zip(numbers, styles, strict=True)}
    objects = {
        f"Object {number}": {"object": style.phrase, "strength": strength}
        for number, style in zip(numbers, styles, strict=True)
    }
    return Demo(
        workflow=WORKFLOW,
        images={"content": square(read_image(photo or SCENE)), **images},
        loaders={"content": "Photo", **{f"style_{number}": f"Style image {number}" for number in numbers}},
        values={"Prompt": {"text": prompt_of(styles)}, "KSampler": {"seed": seed}, **objects},
        results={"result": "Result"},
        change=lambda prompt: set_object_count(prompt, len(styles)),
    )


def read_pairs(pairs: Sequence[str]) -> list[ObjectStyle]:
    """Reads the objects and their style images.

    Raises:
        DataError: see `objects_demo`.
    """
    if len(pairs) > MAX_OBJECTS:
        raise DataError(f"Found {len(pairs)} objects, expected {MAX_OBJECTS} at most. Name fewer objects.")
    styles: dict[str, ObjectStyle] = {}
    for pair in pairs:
        phrase, equals, image = (part.strip() for part in pair.partition("="))
        name = without_article(phrase).lower()
        if not (name and equals and image):
            raise DataError(f"Found {quoted(pair)} in --objects, {EXPECTED}.")
        if name in styles:
            raise DataError(f"The object {quoted(phrase)} is named twice, expected one style for each object.")
        styles[name] = ObjectStyle(phrase, read_image(Path(image)))
    return list(styles.values())


def prompt_of(styles: Sequence[ObjectStyle]) -> str:
    """The prompt, which names all objects, such as "a guitar and an owl". "the" gives the small Kontext weaker maps."""
    names = [without_article(style.phrase) for style in styles]
    return " and ".join(f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in names)


def set_object_count(prompt: Prompt, count: int) -> None:
    """Gives the workflow of two objects a chain of `count` MoE Apply nodes, each with a style image of its own."""
    ids = {kind: find_node(prompt, f"{kind} 2") for kind in KINDS}
    for number in range(3, count + 1):
        _add_object(prompt, ids, number)
    if count == 1:
        for node in ids.values():
            del prompt[node]
    numbers = range(1, count + 1)
    inputs_of(prompt, "KSampler")["model"] = [find_node(prompt, f"Object {count}"), 0]
    references = inputs_of(prompt, "StyleRoute_StyleReferences")
    references.pop("image_2", None)
    for number in numbers:
        name = "image" if number == 1 else f"image_{number}"
        references[name] = [find_node(prompt, f"Style image {number}"), 0]


def _add_object(prompt: Prompt, ids: Mapping[str, str], number: int) -> None:
    """Copies the nodes of the second object for one more object, at the end of the chain."""
    new = {node: f"{node}_{number}" for node in ids.values()}
    for kind, node in ids.items():
        copy = deepcopy(prompt[node])
        copy["_meta"]["title"] = f"{kind} {number}"
        inputs = copy["inputs"]
        copy["inputs"] = {name: _moved(value, new) for name, value in inputs.items()}
        prompt[new[node]] = copy
    prompt[new[ids["Object"]]]["inputs"]["model"] = [find_node(prompt, f"Object {number - 1}"), 0]


def _moved(value: Any, new: Mapping[str, str]) -> Any:
    """An input's value; a link to a copied node becomes a link to its copy."""
    return [new.get(value[0], value[0]), value[1]] if isinstance(value, list) else value
