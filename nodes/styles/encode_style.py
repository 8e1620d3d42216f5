"""Encode Style: reads the style of one or several reference images."""

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io
from torch import Tensor

from ...moe import StyleExpert, StyleExpertError
from ..schema import StyleExpertType, StyleType, schema
from .style_types import Style, encoder_id
from .vision_states import hidden_states, require_vision_model


class EncodeStyle(io.ComfyNode):
    """Images to one STYLE, by the encoder of a style expert."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_EncodeStyle",
            display_name="Encode Style",
            description="Reads the style of an image: how it is painted, not what it shows. "
            "Several images in one batch give their mean style.",
            search_aliases=["style reference", "style embedding", "siglip"],
            inputs=[
                StyleExpertType.Input(
                    "style_expert", tooltip="The experts that shall paint in this style; their encoder reads it."
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="The vision model that the encoder was trained on, from Load CLIP Vision; "
                    "for StyleExpert's release, sigclip_vision_patch14_384.safetensors.",
                ),
                io.Image.Input(
                    "image",
                    tooltip="An image in the style that you want. Put several into a batch to get their mean style.",
                ),
            ],
            outputs=[StyleType.Output("STYLE", tooltip="The style, for MoE Apply and Save Style as LoRA.")],
        )

    @classmethod
    def execute(cls, style_expert: StyleExpert, clip_vision, image: Tensor) -> io.NodeOutput:
        _require_encoder(style_expert)
        require_vision_model(clip_vision, style_expert.encoder_config)
        _require_images(image)
        embeddings = _embeddings(style_expert, clip_vision, image)
        style = Style(
            embedding=embeddings.mean(dim=0, keepdim=True),
            num_references=len(image),
            encoder_id=encoder_id(style_expert.encoder),
        )
        return io.NodeOutput(style)


def _require_encoder(expert: StyleExpert) -> None:
    if expert.config.is_lora:
        raise StyleExpertError(
            f"{expert.path.name} is a region LoRA: it paints one style only and reads none from images; "
            "connect it to MoE Apply without a style."
        )
    if expert.encoder_config is None:
        raise StyleExpertError(
            f"{expert.path.name} holds no style encoder; choose its encoder file in Load StyleExpert, "
            "from models/style_encoders."
        )


def _require_images(image: Tensor) -> None:
    if image.ndim != 4 or 0 in image.shape:
        raise StyleExpertError(
            f"The reference batch is empty: its shape is {list(image.shape)}, [images, height, width, channels]; "
            "connect at least one image."
        )


@torch.no_grad()
def _embeddings(expert: StyleExpert, clip_vision, image: Tensor) -> Tensor:
    """[B, cond_dim], one image at a time: all layers of a large batch would not fit into memory."""
    progress, embeddings = comfy.utils.ProgressBar(len(image)), []
    for one in image.split(1):
        comfy.model_management.throw_exception_if_processing_interrupted()
        embeddings.append(expert.encoder(hidden_states(clip_vision, one)))
        progress.update(1)
    return torch.cat(embeddings)
