"""ComfyUI's CLIP_VISION as a source of hidden states for a style encoder."""

from typing import Any

from torch import Tensor

from ...moe import EncoderConfig, StyleExpertError


def require_vision_model(clip_vision: Any, config: EncoderConfig) -> None:
    """Refuses a vision model whose states the encoder cannot read, before it is run.

    Raises:
        StyleExpertError: another kind of model, another width or token count, or too few layers.
    """
    if found := _misfit(clip_vision, config):
        raise StyleExpertError(
            f"The connected vision model {found}, but the style encoder was trained on {config.vision_model} "
            f"({config.num_tokens} tokens of width {config.hidden_size}); connect that one (the demo's comes from Load "
            "Tiny Kontext, others from Load CLIP Vision), or choose experts for yours in Load StyleExpert."
        )


def hidden_states(clip_vision: Any, image: Tensor) -> Tensor:
    """All layers' outputs, [B, L, T, D] in float32 on the CPU, for `image` [B, H, W, C] in 0..1.

    The image is resized without cropping, as the SigLIP processor does it.
    """
    return clip_vision.encode_image(image, crop=False)["all_hidden_states"].float().cpu()


def _misfit(clip_vision: Any, config: EncoderConfig) -> str | None:
    """How the connected model differs from the one that the encoder needs; None if it does not."""
    network = getattr(clip_vision, "model", None)
    vision = getattr(network, "vision_model", None)
    if vision is None:
        return f"is a {type(network).__name__}"
    tokens, width = _embedding_sizes(vision)
    if (tokens, width) != (config.num_tokens, config.hidden_size):
        return f"has {tokens} tokens of width {width}"
    if not getattr(clip_vision, "return_all_hidden_states", False):
        return "is no SigLIP"
    if (layers := len(vision.encoder.layers)) < -min(config.taps):
        return f"has {layers} layers where layer {min(config.taps)} from the end is read"
    return None


def _embedding_sizes(vision: Any) -> tuple[int, int]:
    """(tokens, width) of a vision tower, whichever way its positions are kept."""
    position = vision.embeddings.position_embedding
    tokens, width = getattr(position, "weight", position).shape[-2:]
    return tokens, width
