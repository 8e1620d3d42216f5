"""The style encoder: it turns the hidden states of several SigLIP layers into one style embedding."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import StyleExpertError
from .config import EncoderConfig


class StyleEncoder(nn.Module):
    """StyleExpert's style representation encoder.

    For every tapped layer n it computes proj_n(LN_n(transpose(SiLU(Linear_n(transpose(h_n)))))), which pools T tokens
    to a few. The concatenation of all taps is the embedding. Module names are those of the release's files.

    Args:
        config: sizes of the encoder.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        taps = [str(tap) for tap in config.taps]
        self.embedding_linears = nn.ModuleDict(
            {tap: nn.Sequential(nn.Linear(config.num_tokens, config.num_queries), nn.SiLU()) for tap in taps}
        )
        self.layer_norms = nn.ModuleDict({tap: _layer_norm(config) for tap in taps})
        self.projections = nn.ModuleDict({tap: _projection(config) for tap in taps})
        if config.post_projection:
            self.post_projection = nn.Linear(config.concat_dim, config.cond_dim)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Encode images to style embeddings [B, cond_dim], float32 for float32 weights.

        Args:
            hidden_states: [B, L, T, D], the outputs of all layers of the vision model, or of only the tapped layers in
                the order of `config.taps`.

        Raises:
            StyleExpertError: the states come from a vision model of other sizes.
        """
        self._require_sizes(hidden_states)
        weight = self.get_parameter(f"embedding_linears.{self.config.taps[0]}.0.weight")
        tapped = self._tapped(hidden_states.to(weight.device, weight.dtype))
        pooled = torch.cat([self._pool(str(tap), states) for tap, states in tapped.items()], dim=1)  # [B, taps*Q, P]
        embedding = pooled.flatten(1)
        return self.post_projection(embedding) if self.config.post_projection else embedding

    def load_file_state(self, state: Mapping[str, Tensor]) -> None:
        """Load a file's weights, keys without prefix. A Sequential with one linear layer equals that layer."""
        if not self.config.projection_widths:
            for tap in self.config.taps:
                stem = f"projections.{tap}."
                state = {key.replace(f"{stem}0.", stem): weight for key, weight in state.items()}
        self.load_state_dict(state)

    def _pool(self, tap: str, states: Tensor) -> Tensor:
        """Pool and project the states of one tap: [B, T, D] -> [B, num_queries, proj_dim]."""
        pooled = self.embedding_linears[tap](states.transpose(1, 2)).transpose(1, 2)  # [B, Q, D]
        return self.projections[tap](self.layer_norms[tap](pooled))

    def _tapped(self, hidden_states: Tensor) -> dict[int, Tensor]:
        taps = self.config.taps
        if hidden_states.shape[1] == len(taps) < -min(taps):
            return {tap: hidden_states[:, index] for index, tap in enumerate(taps)}
        return {tap: hidden_states[:, tap] for tap in taps}

    def _require_sizes(self, hidden_states: Tensor) -> None:
        config, shape = self.config, tuple(hidden_states.shape)
        layers = shape[1] if len(shape) == 4 else 0
        enough = layers == len(config.taps) or layers >= -min(config.taps)
        if len(shape) != 4 or shape[2:] != (config.num_tokens, config.hidden_size) or not enough or not shape[0]:
            raise StyleExpertError(
                f"The vision model's states have shape {list(shape)}, expected [images, at least {-min(config.taps)} "
                f"layers, {config.num_tokens} tokens, width {config.hidden_size}]. Use {config.vision_model}."
            )


def _layer_norm(config: EncoderConfig) -> nn.Module:
    return nn.LayerNorm(config.hidden_size) if config.layer_norm else nn.Identity()


def _projection(config: EncoderConfig) -> nn.Module:
    """No layer, one linear layer, or several in a row with their activations."""
    if not config.projection:
        return nn.Identity()
    widths = (config.hidden_size, *config.projection_widths, config.proj_dim)
    linears = [nn.Linear(width, following) for width, following in pairwise(widths)]
    if len(linears) == 1:
        return linears[0]
    if config.release_projection:
        return nn.Sequential(linears[0], *_each_with_silu(linears[1:]))
    if config.projection_activation:
        return nn.Sequential(*_each_with_silu(linears)[:-1])
    return nn.Sequential(*linears)


def _each_with_silu(linears: list[nn.Linear]) -> list[nn.Module]:
    return [module for linear in linears for module in (linear, nn.SiLU())]
