"""Hidden states for a style encoder, from ComfyUI's CLIP_VISION."""

from typing import Any

from torch import Tensor

from ...moe import EncoderConfig, StyleExpertError


def require_vision_model(clip_vision: Any, config: EncoderConfig) -> None:
    """Refuses a vision model whose hidden states do not fit the encoder. Does not run the model.

    Raises:
        StyleExpertError: another kind of model, another width or token count, or too few layers.
    """
    if found := _misfit(clip_vision, config):
        raise StyleExpertError(
            f"The connected vision model {found}, but the style encoder was trained on {config.vision_model} "
            f"({config.num_tokens} tokens of width {config.hidden_size}). Connect that vision model (Load Tiny Kontext "
            "has the demo's, Load CLIP Vision all others), or choose other experts in Load StyleExpert."
        )


def hidden_states(clip_vision: Any, image: Tensor) -> Tensor:
    """Outputs of all layers, [B, L, T, D] float32 on the CPU, for `image` [B, H, W, C] in 0..1.

    The image is resized without cropping, as in the SigLIP processor.
    """
    return clip_vision.encode_image(image, crop=False)["all_hidden_states"].float().cpu()


def _misfit(clip_vision: Any, config: EncoderConfig) -> str | None:
    """How the connected model differs from the model that the encoder needs; None if it fits."""
    network = getattr(clip_vision, "model", None)
    vision = getattr(network, "vision_model", None)
    if vision is None:
        return f"is a {type(network).__name__}"
    tokens, width = _embedding_sizes(vision)
    if (tokens, width) != (config.num_tokens, config.hidden_size):
        return f"has {tokens} tokens of width {width}"
    if not getattr(clip_vision, "return_all_hidden_states", False):
        return "is not SigLIP"
    if (layers := len(vision.encoder.layers)) < -min(config.taps):
        return f"has {layers} layers and lacks layer {min(config.taps)}"
    return None


def _embedding_sizes(vision: Any) -> tuple[int, int]:
    """(tokens, width) of a vision tower, from its position embedding (a module or a tensor)."""
    position = vision.embeddings.position_embedding
    tokens, width = getattr(position, "weight", position).shape[-2:]
    return tokens, width
