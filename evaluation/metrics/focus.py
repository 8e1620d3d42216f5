"""How well attention maps concentrate on their objects, in the unit of RegionRoute's Focus loss."""

import torch
from torch import Tensor

from ...attention import focus_loss


@torch.no_grad()
def focus(maps: Tensor, masks: Tensor) -> Tensor:
    """RegionRoute's Focus divergence [...] of each map, 0 at best, lower is better; NaN where the mask is empty.

    It is KL(softmax(map / tau) || norm(mask)) with the settings of the preset "paper".

    Args:
        maps: attention maps [..., h, w], not negative.
        masks: [..., h, w], the share of each cell that the object covers, 0 to 1.
    """
    maps, masks = torch.broadcast_tensors(maps, masks.to(maps))
    pairs = zip(maps.reshape(-1, 1, 1, *maps.shape[-2:]), masks.reshape(-1, 1, 1, *maps.shape[-2:]), strict=True)
    values = [focus_loss(one, mask) if mask.any() else one.new_tensor(torch.nan) for one, mask in pairs]
    return torch.stack(values).reshape(maps.shape[:-2])
