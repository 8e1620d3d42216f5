"""The workflows of `styleroute evaluate objects`, in API form: stock nodes and this pack's nodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...comfy_client.workflow import Prompt
from .methods import ObjectMethod, Place, TextRule

RESULT, MAPS = "Result", "read_maps"
"""Ids and titles of the output nodes."""
MODEL, CLIP, VAE, VISION = range(4)
"""Outputs of the small Kontext's loader."""
Link = list[Any]
"""The output of a node: [id of the node, number of the output]."""


@dataclass(frozen=True)
class ServerObject:
    """An object's name in the prompt, and the names of its style image and true mask on the server."""

    name: str
    style_image: str
    mask: str


@dataclass(frozen=True)
class ServerFiles:
    """What a workflow needs, as the server names it.

    Attributes:
        photo: the scene.
        prompt: names the objects.
        objects: the objects.
        experts: the expert file.
        grounding: the grounding LoRA; None without it.
        grounding_strength: its strength.
        blocks: the blocks of the recorded maps.
    """

    photo: str
    prompt: str
    objects: tuple[ServerObject, ...]
    experts: str
    grounding: str | None
    grounding_strength: float
    blocks: str


def workflow(method: ObjectMethod, files: ServerFiles, *, steps: int, strength: float, seed: int) -> Prompt:
    """The workflow of a method for one scene."""
    graph = _Graph(files, steps, strength, seed, method.text)
    image = WORKFLOWS[method.place](graph)
    graph.add("SaveImage", RESULT, images=image, filename_prefix="objects")
    return graph.prompt


class _Graph:
    """Builds one workflow."""

    def __init__(self, files: ServerFiles, steps: int, strength: float, seed: int, text: TextRule) -> None:
        self.prompt: Prompt = {}
        self._text = text
        self._files, self._strength = files, strength
        self._settings = {
            "seed": seed, "steps": steps, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0,
        }  # fmt: skip
        self._loader = self.add("TinyKontext_Load")[0]
        self._experts = self.add(
            "StyleRoute_LoadStyleExpert", expert=files.experts, encoder="in the expert file",
            routing="as the file says", style_rows="as the file says",
        )  # fmt: skip
        self.photo = self.add("LoadImage", image=files.photo)
        self.content = self.add("VAEEncode", pixels=self.photo, vae=self._part(VAE))
        self.every = range(len(files.objects))

    def add(self, class_type: str, title: str = "", **inputs: Any) -> Link:
        """Adds a node; returns its first output."""
        node_id = title or str(len(self.prompt) + 1)
        self.prompt[node_id] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": node_id}}
        return [node_id, 0]

    def phrase(self, index: int) -> dict[str, Any]:
        """MoE Apply's inputs that place a style on an object by its words."""
        return {"object": self._files.objects[index].name}

    def mask(self, index: int) -> Link:
        """The true mask of an object."""
        return self.add("LoadImageMask", image=self._files.objects[index].mask, channel="red")

    def sample(
        self, objects: Sequence[int], places: Sequence[Mapping[str, Any]], content: Link, maps: bool = False
    ) -> Link:
        """One pass over the content's latent, with the styles of some objects, each in its place."""
        images = [self.add("LoadImage", image=self._files.objects[index].style_image) for index in objects]
        model = self._part(MODEL)
        if self._files.grounding is not None:
            lora = {"lora_name": self._files.grounding, "strength_model": self._files.grounding_strength}
            model = self.add("LoraLoaderModelOnly", model=model, **lora)
        for image, place in zip(images, places, strict=True):
            model = self._styled(model, image, place)
        model = self.add("Evaluation_TextRule", model=model, rule=self._text)
        text, positive = self._prompts(content, images)
        zero = self.add("ConditioningZeroOut", conditioning=text)
        inputs = {"positive": positive, "negative": zero, "latent_image": content, **self._settings}
        return self._sample_with_maps(model, inputs) if maps else self.add("KSampler", model=model, **inputs)

    def decode(self, latent: Link) -> Link:
        """The image of a latent."""
        return self.add("VAEDecode", samples=latent, vae=self._part(VAE))

    def _part(self, output: int) -> Link:
        return [self._loader, output]

    def _styled(self, model: Link, image: Link, place: Mapping[str, Any]) -> Link:
        experts = {"style_expert": self._experts}
        style = self.add("StyleRoute_EncodeStyle", clip_vision=self._part(VISION), image=image, **experts)
        inputs = {**experts, "style": style, "strength": self._strength, **place}
        return self.add("StyleRoute_MoEApply", model=model, **inputs)

    def _prompts(self, content: Link, styles: Sequence[Link]) -> tuple[Link, Link]:
        """The encoded prompt, and the same with all references."""
        clip = self.add("T5TokenizerOptions", clip=self._part(CLIP), min_padding=0, min_length=32)
        names = "|".join(each.name for each in self._files.objects)
        text = self.add("StyleRoute_RegionPrompt", clip=clip, text=self._files.prompt, object_phrase=names)
        referred = self.add("ReferenceLatent", conditioning=text, latent=content)
        images = dict(zip(("image", "image_2", "image_3", "image_4"), styles, strict=False))
        referred = self.add("StyleRoute_StyleReferences", conditioning=referred, vae=self._part(VAE), **images)
        return text, self.add("FluxGuidance", conditioning=referred, guidance=3.5)

    def _sample_with_maps(self, model: Link, inputs: Mapping[str, Any]) -> Link:
        captured = self.add(
            "StyleRoute_CaptureAttention", model=model, conditioning=inputs["positive"], blocks=self._files.blocks,
            capture_steps="all", keep="mean only",
        )  # fmt: skip
        latent = self.add("KSampler", model=captured, **inputs)
        self.add("Evaluation_ReadMaps", MAPS, attention_maps=[captured[0], 1], after=latent)
        return latent


def _by_phrases(graph: _Graph) -> Link:
    places = [graph.phrase(index) for index in graph.every]
    return graph.decode(graph.sample(graph.every, places, graph.content, maps=True))


def _by_masks(graph: _Graph) -> Link:
    places = [{"mask": graph.mask(index)} for index in graph.every]
    return graph.decode(graph.sample(graph.every, places, graph.content))


def _one_by_one(graph: _Graph) -> Link:
    """Each pass takes the result of the pass before as its content."""
    latent = graph.content
    for index in graph.every:
        latent = graph.sample([index], [graph.phrase(index)], latent)
    return graph.decode(latent)


def _blended(graph: _Graph) -> Link:
    """The whole photo in each style, pasted into the photo by the true masks."""
    image, fixed = graph.photo, {"x": 0, "y": 0, "resize_source": False}
    for index in graph.every:
        source = graph.decode(graph.sample([index], [{}], graph.content))
        image = graph.add("ImageCompositeMasked", destination=image, source=source, mask=graph.mask(index), **fixed)
    return image


WORKFLOWS: Mapping[Place, Callable[[_Graph], Link]] = {
    "phrases": _by_phrases,
    "phrases, one pass per object": _one_by_one,
    "true masks": _by_masks,
    "everywhere, then blended": _blended,
}
"""How each kind of method makes the image."""
