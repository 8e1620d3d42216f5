"""Encode Style: reads the style of one or several reference images."""

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io
from torch import Tensor

from ...moe import EncoderConfig, StyleExpert, StyleExpertError
from ..images import require_finite
from ..node_base import StyleRouteNode
from ..schema import StyleExpertType, StyleType, schema
from .style_types import Style, encoder_id
from .vision_states import hidden_states, require_vision_model


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
            ],
            outputs=[StyleType.Output("STYLE", tooltip="The style, for MoE Apply and Save Style as LoRA.")],
        )

    @classmethod
    def execute(cls, style_expert: StyleExpert, clip_vision, image: Tensor) -> io.NodeOutput:
        require_vision_model(clip_vision, _require_encoder(style_expert))
        require_finite("image", image, StyleExpertError)
        embeddings = _embeddings(style_expert, clip_vision, image)
        style = Style(
            embedding=embeddings.mean(dim=0, keepdim=True),
            num_references=len(image),
            encoder_id=encoder_id(style_expert.encoder),
        )
        return io.NodeOutput(style)


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


@torch.no_grad()
def _embeddings(expert: StyleExpert, clip_vision, image: Tensor) -> Tensor:
    """Embeddings [B, cond_dim]. Encodes one image at a time: all layers of a large batch need too much memory."""
    progress, embeddings = comfy.utils.ProgressBar(len(image)), []
    for one in image.split(1):
        comfy.model_management.throw_exception_if_processing_interrupted()
        embeddings.append(expert.encoder(hidden_states(clip_vision, one)))
        progress.update(1)
    return torch.cat(embeddings)
