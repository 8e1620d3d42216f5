"""Focus: the loss of single maps, best where the attention lies on the object."""

import torch
from styleroute.attention import focus_loss
from styleroute.evaluation.metrics import focus


def test_attention_on_the_object_is_best_and_elsewhere_worst() -> None:
    mask = torch.zeros(8, 8)
    mask[2:6, 2:6] = 1
    right, wrong, even = mask / 16, (1 - mask) / 48, torch.full((8, 8), 1 / 64)
    scores = focus(torch.stack([right, even, wrong]), mask)
    assert scores[0] < scores[1] < scores[2]
    assert 0 <= scores[0] < 0.01


def test_each_map_has_the_focus_loss_of_itself() -> None:
    torch.manual_seed(0)
    maps, masks = torch.rand(2, 3, 4, 4), (torch.rand(2, 3, 4, 4) > 0.5).float()
    masks[1, 2] = 0
    scores = focus(maps, masks)
    assert scores.shape == (2, 3)
    for image in range(2):
        for span in range(3):
            if masks[image, span].any():
                one = (slice(image, image + 1), slice(span, span + 1))
                torch.testing.assert_close(scores[image, span], focus_loss(maps[one], masks[one]))
    assert scores[1, 2].isnan()
