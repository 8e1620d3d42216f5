"""The compared ways to give each object its style."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..generated_images import images_folder
from .config import ObjectEvaluationConfig

TextRule = Literal["whole image", "mean", "all"]
Place = Literal["phrases", "phrases, one pass per object", "true masks", "everywhere, then blended"]
"""How a method finds an object. The last one stylises the whole image in each style, and blends by the true masks."""


@dataclass(frozen=True)
class ObjectMethod:
    """A way to stylise the objects of a scene.

    Attributes:
        name: the method's name in tables.
        place: how the method finds the objects.
        grounding: a LoRA on the model; None for none.
        text: which styles act on the text tokens: those of the "whole image", as in the nodes, all with their "mean"
            weight, or "all" with weight 1.
        settings: steps, strengths and seed in one line.
        files: files that change the images.
    """

    name: str
    place: Place
    grounding: Path | None
    settings: str
    files: tuple[Path, ...]
    text: TextRule = "whole image"

    @property
    def images_folder(self) -> str:
        """The folder of the method's images; other weights, settings or code have another one."""
        return images_folder(self.name, f"{self.place} {self.settings} {self.text}", (*self.files, Path(__file__)))

    @property
    def has_maps(self) -> bool:
        """Whether the method finds the objects by maps in one pass."""
        return self.place == "phrases"

    def passes(self, objects: int) -> int:
        """Samplings for a scene with this number of objects."""
        return 1 if self.place in ("phrases", "true masks") else objects


def choose_methods(config: ObjectEvaluationConfig) -> list[ObjectMethod]:
    """The methods; those with a grounding LoRA only if it is given."""
    grounding = config.grounding
    methods = [_method(config, "phrases", "phrases")]
    if grounding is not None:
        methods += [_method(config, "phrases, grounded", "phrases", grounding)]
        methods += [_method(config, "one pass per object, grounded", "phrases, one pass per object", grounding)]
    else:
        methods += [_method(config, "one pass per object", "phrases, one pass per object")]
    methods += [_method(config, "true masks", "true masks")]
    if config.text_rules:
        rules: tuple[TextRule, ...] = ("mean", "all")
        methods += [_method(config, f"true masks, text: {rule}", "true masks", text=rule) for rule in rules]
    return [*methods, _method(config, "all, then true masks", "everywhere, then blended")]


def _method(
    config: ObjectEvaluationConfig,
    name: str,
    place: Place,
    grounding: Path | None = None,
    text: TextRule = "whole image",
) -> ObjectMethod:
    files = tuple(file for file in (config.experts, grounding) if file is not None)
    settings = f"{config.steps} {config.strength} {config.seed}"
    if grounding is not None:
        settings += f" {config.grounding_strength}"
    return ObjectMethod(name, place, grounding, settings, files, text)
