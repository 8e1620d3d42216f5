"""Similarity of attention outputs: analytic values, the background class, and an independent formula."""

import math

import torch
from styleroute.attention.output_similarity import output_similarity

TEXT, ROWS = 4, slice(4, 6)


def test_an_image_token_belongs_to_the_phrase_with_the_same_output() -> None:
    """Two phrases with orthogonal outputs, and a background with output 0."""
    outputs = torch.zeros(1, 1, 6, 2)
    outputs[0, 0, 1], outputs[0, 0, 2] = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    outputs[0, 0, 4], outputs[0, 0, 5] = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 0.0])
    maps = output_similarity(outputs, [[[1], [2]]], ROWS, TEXT)
    assert maps.shape == (1, 2, 2)
    torch.testing.assert_close(maps[0, :, 0], torch.tensor([math.exp(6.0), 1.0]) / (math.exp(6.0) + 2))
    torch.testing.assert_close(maps[0, :, 1], torch.full((2,), 1 / 3))


def test_it_equals_the_formula_for_several_heads_tokens_and_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 3, 9, 5, generator=generator, dtype=torch.float64)
    spans, text, rows = [[[0, 1], [3]], [[2], [1, 3]]], 5, slice(5, 9)
    maps = output_similarity(outputs, spans, rows, text)
    for sample, phrases in enumerate(spans):
        named = {token for phrase in phrases for token in phrase}
        concepts = [*phrases, [token for token in range(text) if token not in named]]
        for cell in range(4):
            image = torch.cat([outputs[sample, head, text + cell] for head in range(3)])
            scores = []
            for tokens in concepts:
                joined = [torch.cat([outputs[sample, head, token] for head in range(3)]) for token in tokens]
                scores.append(image @ (sum(joined) / len(joined)))
            expected = torch.stack(scores).softmax(0)[: len(phrases)]
            torch.testing.assert_close(maps[sample, :, cell].double(), expected, rtol=1e-5, atol=1e-6)
