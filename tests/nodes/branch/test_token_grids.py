"""The weight of a style in the tokens of a call, on plain tensors."""

import pytest
import torch


@pytest.fixture
def weigh(comfyui):
    """The weights of a call with 2 text tokens, an image of 2 x 2 tokens and two references, as full tensors."""
    from styleroute.nodes.branch.token_grids import TokenGrids, style_weights

    def run(factors, references, place=None, images=1):
        grids = TokenGrids(len(factors), images, 2, (2, 2), ((2, 2), (1, 2)))
        found = style_weights(grids, place, factors, references, torch.device("cpu"))
        sizes = {"text": 2, "image": 10, "joint": 12, "row": 1}
        return {stream: _full(weights, grids.rows, sizes[stream]) for stream, weights in found.items()}

    return run


def _full(weights, rows: int, tokens: int) -> torch.Tensor:
    full = torch.zeros(rows * tokens)
    if weights.positions is None:
        return (full + 1 if weights.values is None else weights.values).view(rows, tokens)
    full[weights.positions] = 1.0 if weights.values is None else weights.values.flatten()
    return full.view(rows, tokens)


def left(grid):
    mask = torch.zeros(1, *grid)
    mask[..., : grid[1] // 2] = 1
    return mask


def test_the_references_of_each_prompt_have_their_own_weights(weigh):
    """In one call, the first reference of a prompt may be the content, and that of another one the style."""
    found = weigh([1.0, 1.0], [[None, 1.0], [1.0, 0.0]], left)
    image = torch.tensor([1.0, 0, 1, 0])
    expected = [torch.cat([image, image, torch.ones(2)]), torch.cat([image, torch.ones(4), torch.zeros(2)])]
    assert torch.equal(found["image"], torch.stack(expected))
    assert torch.equal(found["text"], torch.zeros(2, 2))  # the whole image has it, or no text token has it
    assert torch.equal(found["joint"], torch.cat([found["text"], found["image"]], dim=1))
    assert torch.equal(found["row"], torch.zeros(2, 1))


def test_the_factor_of_a_prompt_holds_for_all_of_its_images(weigh):
    found = weigh([1.0, 0.0, -1.0], [[None, None]] * 3, images=2)
    for weights in found.values():
        assert [row.unique().item() for row in weights] == [1, 1, 0, 0, -1, -1]
