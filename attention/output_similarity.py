"""Maps of phrases from the outputs of attention: how similar an image token's output is to the output of a phrase.

Helbling et al., "ConceptAttention", 2025, find objects in FLUX by this similarity. Here the concepts are phrases of the
prompt itself, and the background is the rest of the prompt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .columns import Span


def output_similarity(outputs: Tensor, spans: Sequence[Sequence[Span]], rows: slice, text: int) -> Tensor:
    """Softmax over phrases and background of the similarity of attention outputs, [B, S, R] from 0 to 1.

    Args:
        outputs: attention outputs [B, H, N, D] before the output layer, text tokens first.
        spans: token positions of each phrase of each sample; all samples have S phrases.
        rows: the image tokens.
        text: number of text tokens.
    """
    states = outputs.transpose(1, 2).flatten(2).float()  # [B, N, H * D]
    concepts = torch.stack([_concepts(sample, own, text) for sample, own in zip(states, spans, strict=True)])
    with torch.autocast(states.device.type, enabled=False):  # the scores are large, and a softmax follows
        scores = concepts @ states[:, rows].transpose(1, 2)  # [B, S + 1, R]
    return scores.softmax(dim=1)[:, :-1]


def _concepts(states: Tensor, spans: Sequence[Span], text: int) -> Tensor:
    """The mean output of each phrase's tokens, and of all other text tokens as the background, [S + 1, C]."""
    phrases = {token for span in spans for token in span}
    background = [token for token in range(text) if token not in phrases]
    return torch.stack([states[list(tokens)].mean(0) for tokens in (*spans, background)])
