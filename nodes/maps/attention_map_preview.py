"""Attention Map Preview: shows where the model found a phrase, as a heat map over the image and as a mask."""

from comfy.model_management import throw_exception_if_processing_interrupted as stop_if_interrupted
from comfy_api.latest import io, ui
from torch import Tensor

from ...attention import AttentionError
from ..comfy_server import NodeText
from ..execution_order import comes_from, upstream_signatures, waits_for_sampler
from ..node_base import StyleRouteNode
from ..schema import AttentionMapsType, schema
from .captions import captioned
from .colour_maps import COLOUR_MAPS
from .map_selection import (
    BLOCKS,
    SPANS,
    STEPS,
    BlockChoice,
    ChosenMap,
    MapChoice,
    SpanChoice,
    StepChoice,
    chosen_maps,
)
from .overlay import overlay_maps
from .recorded_maps import RecordedMaps
from .region_mask import weak_map_notice

CAPTURE_CLASS = "StyleRoute_CaptureAttention"


class AttentionMapPreview(StyleRouteNode):
    """Shows ATTENTION_MAPS as images and masks."""

    refusal = AttentionError

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_AttentionMapPreview",
            display_name="Attention Map Preview",
            description="Shows where the model found the prompt's object and style: as a heat map over the image, and "
            "as a mask for any other node.",
            search_aliases=[
                "attention heat map",
                "show attention",
                "attention to mask",
                "mask",
                "mask from text",
                "segment",
                "segment by prompt",
            ],
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            inputs=[
                AttentionMapsType.Input("attention_maps", tooltip="From RegionRoute Sampler or Capture Attention."),
                io.Image.Input("image", tooltip="The image below the heat maps: the result, or the content image."),
                io.Combo.Input(
                    "span",
                    options=list(SPANS),
                    default=SPANS[0],
                    tooltip="The phrases to show: style, object, both together, or each phrase in a separate image.",
                ),
                io.Combo.Input(
                    "step",
                    options=list(STEPS),
                    default=STEPS[0],
                    tooltip="The steps to show: the mean of all, the last, or each step in a separate image.",
                ),
                io.Combo.Input(
                    "block",
                    options=list(BLOCKS),
                    default=BLOCKS[0],
                    tooltip="The model's blocks to show: the mean of all, or each block in a separate image.",
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
                    tooltip="Opacity of the heat map: 0 shows the image only, 1 the heat map only.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The sampler's LATENT. It makes this node wait for the sampler. Needed only with Capture "
                    "Attention, if the image does not come from that sampler.",
                ),
                io.String.Input(
                    "phrase",
                    default="",
                    optional=True,
                    tooltip="One phrase of the prompt, to show only its map. If empty, 'span' chooses the phrases.",
                ),
            ],
            outputs=[
                io.Image.Output("IMAGE", tooltip="The image with the heat map over it."),
                io.Mask.Output(
                    "MASK",
                    tooltip="The region with soft edges. Its highest value grows with the contrast of the map, and is "
                    "1 from a contrast of 0.5.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        attention_maps: RecordedMaps,
        image: Tensor,
        span: SpanChoice,
        step: StepChoice,
        block: BlockChoice,
        colour_map: str,
        opacity: float,
        latent: dict | None = None,
        phrase: str = "",
    ) -> io.NodeOutput:
        _require_order(cls.hidden)
        _require_same_run(cls.hidden, attention_maps)
        chosen = chosen_maps(attention_maps, MapChoice(span, step, block, phrase))
        _require_images(image, attention_maps)
        images, masks = overlay_maps(chosen, image, attention_maps.size, colour_map, opacity, stop_if_interrupted)
        if notice := weak_map_notice(one.contrast for one in chosen if not one.step_and_block):
            NodeText(str(cls.hidden.unique_id) if cls.hidden else None).warn(notice)
        return io.NodeOutput(images, masks, ui=_previews(images, chosen, cls))


def _previews(images: Tensor, chosen: list[ChosenMap], node: type[io.ComfyNode]) -> dict:
    """The images that ComfyUI's page shows in the node, with captions. Saves one at a time, as there may be many."""
    saved = []
    for image, one in zip(images, chosen, strict=True):
        stop_if_interrupted()
        saved += ui.PreviewImage(captioned(image, one.captions)[None], cls=node).as_dict()["images"]
    return {"images": saved, "animated": (False,), "text": [f"{one.label}: {one.contrast_text}" for one in chosen]}


def _require_order(hidden: io.HiddenHolder | None) -> None:
    """Refuses a graph in which this node does not wait for the sampler: ComfyUI may then run or cache it too early."""
    if hidden is None or not hidden.prompt:
        return
    if not waits_for_sampler(hidden.prompt, str(hidden.unique_id), "attention_maps", CAPTURE_CLASS):
        raise AttentionError(
            "Attention Map Preview may run before the sampler that fills its maps. Connect that sampler's LATENT to "
            "'latent', or its decoded image to 'image'."
        )


def _require_same_run(hidden: io.HiddenHolder | None, maps: RecordedMaps) -> None:
    """Refuses maps from another run than the image's. A captured MODEL keeps the maps of its last run only."""
    if hidden is None or not hidden.prompt or maps.source is None:
        return
    graph, node_id = hidden.prompt, str(hidden.unique_id)
    if not comes_from(graph, node_id, "attention_maps", CAPTURE_CLASS):
        return
    if maps.source not in upstream_signatures(graph, node_id):
        raise AttentionError(
            "The maps are from another run than the image: ComfyUI took the sampler's result from its cache, or two "
            "samplers share one Capture Attention. Give each sampler its own Capture Attention, or change the seed and "
            "run again."
        )
    if maps.samplings > 1:
        raise AttentionError(
            f"The sampler's node has sampled {maps.samplings} times (for items of a list, or for parts of the image), "
            "but the maps are from the last time only. Sample one latent or one batch, with a node that samples once."
        )


def _require_images(image: Tensor, maps: RecordedMaps) -> None:
    """Requires one image for each sampled image, or one image for all."""
    if len(image) not in (1, maps.images):
        raise AttentionError(
            f"The sampler made {maps.images} images, but {len(image)} images are connected. Connect one image, or the "
            "batch that was sampled."
        )
