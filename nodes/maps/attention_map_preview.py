"""Attention Map Preview: where the model has looked for a phrase, over the image and as a mask."""

from comfy.model_management import throw_exception_if_processing_interrupted as stop_if_interrupted
from comfy_api.latest import io, ui
from torch import Tensor

from ...attention import AttentionError
from ..execution_order import comes_from, signatures_behind, waits_for_sampler
from ..schema import AttentionMapsType, schema
from .captions import captioned
from .colour_maps import COLOUR_MAPS
from .map_selection import BLOCKS, SPANS, STEPS, ChosenMap, MapChoice, chosen_maps
from .overlay import painted
from .recorded_maps import RecordedMaps

CAPTURE_CLASS = "StyleRoute_CaptureAttention"


class AttentionMapPreview(io.ComfyNode):
    """ATTENTION_MAPS as images and as masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_AttentionMapPreview",
            display_name="Attention Map Preview",
            description="Shows where the model has looked for the prompt's object and style: as a heat map over the "
            "image, and as a mask for any other node.",
            search_aliases=["attention heat map", "show attention", "attention to mask", "segment by prompt"],
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            inputs=[
                AttentionMapsType.Input("attention_maps", tooltip="From RegionRoute Sampler or Capture Attention."),
                io.Image.Input(
                    "image", tooltip="The image that the maps are laid over: the result, or what it was made from."
                ),
                io.Combo.Input(
                    "span",
                    options=list(SPANS),
                    default=SPANS[0],
                    tooltip="Which words: the style's, the object's, both together, or each phrase in an image of "
                    "its own.",
                ),
                io.Combo.Input(
                    "step",
                    options=list(STEPS),
                    default=STEPS[0],
                    tooltip="Which step: the mean of all, the last, or each as an image of the batch.",
                ),
                io.Combo.Input(
                    "block",
                    options=list(BLOCKS),
                    default=BLOCKS[0],
                    tooltip="Which block of the model: the mean of all, or each as an image of the batch.",
                ),
                io.Combo.Input(
                    "colour_map", options=list(COLOUR_MAPS), default="fire", tooltip="Colours from cold to warm."
                ),
                io.Float.Input(
                    "opacity",
                    default=0.6,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much the heat map covers the image: 0 the image alone, 1 the map alone.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The sampler's LATENT. Needed only with Capture Attention, where the image does not come "
                    "from that sampler: it makes this node wait for it.",
                ),
                io.String.Input(
                    "phrase",
                    default="",
                    optional=True,
                    tooltip="One phrase of Region Style Prompt, to show it alone; empty: as chosen above.",
                ),
            ],
            outputs=[
                io.Image.Output("IMAGE", tooltip="The image with the heat map over it."),
                io.Mask.Output(
                    "MASK", tooltip="The region with soft edges; its brightest value says how sure the map is of it."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        attention_maps: RecordedMaps,
        image: Tensor,
        span: str,
        step: str,
        block: str,
        colour_map: str,
        opacity: float,
        latent: dict | None = None,
        phrase: str = "",
    ) -> io.NodeOutput:
        _require_order(cls.hidden)
        _require_own_run(cls.hidden, attention_maps)
        chosen = chosen_maps(attention_maps, MapChoice(span, step, block, phrase))
        _require_images(image, attention_maps)
        images, masks = painted(chosen, image, attention_maps.size, colour_map, opacity, stop_if_interrupted)
        return io.NodeOutput(images, masks, ui=_shown(images, chosen, cls))


def _shown(images: Tensor, chosen: list[ChosenMap], node: type[io.ComfyNode]) -> dict:
    """What ComfyUI's page shows in the node, with a caption below each image; one at a time, as there may be many."""
    shown = []
    for image, one in zip(images, chosen, strict=True):
        stop_if_interrupted()
        shown += ui.PreviewImage(captioned(image, one.captions)[None], cls=node).as_dict()["images"]
    return {"images": shown, "animated": (False,), "text": [f"{one.label}: {one.sure}" for one in chosen]}


def _require_order(hidden: io.HiddenHolder | None) -> None:
    """ComfyUI runs what does not depend on the sampler whenever it likes, and shows it again without running it."""
    if hidden is None or not hidden.prompt:
        return
    if not waits_for_sampler(hidden.prompt, str(hidden.unique_id), "attention_maps", CAPTURE_CLASS):
        raise AttentionError(
            "Attention Map Preview does not depend on the sampler that fills its maps, so that it would run before it; "
            "connect that sampler's LATENT to 'latent', or its decoded image to 'image'."
        )


def _require_own_run(hidden: io.HiddenHolder | None, maps: RecordedMaps) -> None:
    """A captured MODEL keeps the maps of its last run; ComfyUI may have this image's sampler from an earlier one."""
    if hidden is None or not hidden.prompt or maps.source is None:
        return
    graph, node_id = hidden.prompt, str(hidden.unique_id)
    if not comes_from(graph, node_id, "attention_maps", CAPTURE_CLASS):
        return
    if maps.source not in signatures_behind(graph, node_id):
        raise AttentionError(
            "The maps are of another run than the image: its sampler was not run again, as ComfyUI still had its "
            "result, or two samplers share one Capture Attention; give each sampler a Capture Attention of its own, or "
            "change the seed and run again."
        )
    if maps.samplings > 1:
        raise AttentionError(
            f"The sampler's node has sampled {maps.samplings} times (for each item of a list, or for parts of the "
            "image), and the maps are the last one's: they would be laid over all images; sample one latent, or a "
            "batch, with a node that does so once."
        )


def _require_images(image: Tensor, maps: RecordedMaps) -> None:
    """One for each that was sampled, or one for all."""
    if len(image) not in (1, maps.images):
        raise AttentionError(
            f"{maps.images} images were sampled, but {len(image)} came to lay their maps over; "
            "give one, or the batch that was sampled."
        )
