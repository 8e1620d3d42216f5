"""Encode Style: reads the style of one or several reference images."""

import re
from collections.abc import Sequence
from dataclasses import replace

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io
from torch import Tensor

from ...moe import EncoderConfig, StyleExpert, StyleExpertError
from ...moe.baking import style_of
from ...moe.mixing import weight_shares
from ...plain_text import quoted
from ..node_base import StyleRouteNode
from ..schema import StyleExpertType, StyleType, advanced, schema
from .style_images import more_image_inputs, single_images
from .style_types import encoder_id
from .vision_states import hidden_states, require_vision_model

MEAN = "mean of the references"
PER_IMAGE = "one style per image"


class EncodeStyle(StyleRouteNode):
    """Encodes images to one STYLE with the encoder of a style expert."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_EncodeStyle",
            display_name="Encode Style",
            description="Reads the style of an image, not its content. "
            "Several images in one batch give their mean style.",
            search_aliases=[
                "style image",
                "reference image",
                "style reference",
                "style embedding",
                "ipadapter",
                "ip-adapter",
                "redux",
                "uso",
                "instantstyle",
                "siglip",
            ],
            inputs=[
                StyleExpertType.Input(
                    "style_expert", tooltip="The experts that will apply this style. Their encoder reads the image."
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="The vision model that the encoder was trained on, from Load CLIP Vision. "
                    "StyleExpert's release needs sigclip_vision_patch14_384.safetensors.",
                ),
                io.Image.Input(
                    "image",
                    tooltip="The style image. Several images in one batch give one STYLE: the mean of their "
                    "embeddings.",
                ),
                *more_image_inputs(),
                io.String.Input(
                    "weights",
                    default="",
                    optional=True,
                    tooltip="A weight for each style image in order, such as '1, 0.5': only their ratios matter. "
                    "A negative weight moves away from an image. Empty: the plain mean.",
                ),
                io.Combo.Input(
                    "combine",
                    options=[MEAN, PER_IMAGE],
                    default=MEAN,
                    optional=True,
                    tooltip="One style from all images, or a style for each image of the batch that is sampled.",
                    **advanced(),
                ),
            ],
            outputs=[StyleType.Output("STYLE", tooltip="The style, for MoE Apply and Save Style as LoRA.")],
        )

    @classmethod
    def execute(
        cls,
        style_expert: StyleExpert,
        clip_vision,
        image: Tensor,
        image_2: Tensor | None = None,
        image_3: Tensor | None = None,
        image_4: Tensor | None = None,
        weights: str = "",
        combine: str = MEAN,
    ) -> io.NodeOutput:
        require_vision_model(clip_vision, _require_encoder(style_expert))
        images = single_images(image=image, image_2=image_2, image_3=image_3, image_4=image_4)
        numbers = _require_weights(weights, len(images), combine)
        embeddings = _embeddings(style_expert, clip_vision, images)
        style = style_of(embeddings, [one[0] for one in images], encoder_id(style_expert.encoder), numbers)
        return io.NodeOutput(replace(style, embedding=embeddings) if combine == PER_IMAGE else style)


def _require_encoder(expert: StyleExpert) -> EncoderConfig:
    """The sizes of the expert's style encoder.

    Raises:
        StyleExpertError: the expert is a plain LoRA, or has no encoder.
    """
    if expert.config.is_lora:
        raise StyleExpertError(
            f"{expert.path.name} is a plain LoRA of one style and cannot encode other styles. "
            "Connect it to MoE Apply without a style."
        )
    if expert.encoder_config is None:
        raise StyleExpertError(
            f"{expert.path.name} has no style encoder. Choose its encoder file from models/style_encoders in Load "
            "StyleExpert."
        )
    return expert.encoder_config


def _require_weights(text: str, count: int, combine: str) -> list[float]:
    """The weights in a text, one for each image; empty for the plain mean.

    Raises:
        StyleExpertError: the text holds no numbers, their count or sum is wrong, or each image keeps its style.
    """
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    try:
        weights = [float(part) for part in parts]
    except ValueError:
        raise StyleExpertError(
            f"The weights are {quoted(text)}, expected {count} numbers with commas between them, such as '1, 0.5'. "
            "Write decimals with a point."
        ) from None
    if weights and combine == PER_IMAGE:
        raise StyleExpertError(
            f"Weights are given, but '{PER_IMAGE}' does not combine the images. Clear the weights, or choose '{MEAN}'."
        )
    if weights:
        weight_shares(weights, count)
    return weights


@torch.no_grad()
def _embeddings(expert: StyleExpert, clip_vision, images: Sequence[Tensor]) -> Tensor:
    """Embeddings [B, cond_dim]. Encodes one image at a time: all layers of a large batch need too much memory."""
    progress, embeddings = comfy.utils.ProgressBar(len(images)), []
    for one in images:
        comfy.model_management.throw_exception_if_processing_interrupted()
        embeddings.append(expert.encoder(hidden_states(clip_vision, one)))
        progress.update(1)
    return torch.cat(embeddings)
