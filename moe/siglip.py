"""The SigLIP vision tower in plain torch, for style images without ComfyUI and without transformers.

It computes what ComfyUI's CLIP_VISION computes from the same file, so a style gets the same numbers in both.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import StyleExpertError
from ..plain_text import quoted
from .config import EncoderConfig
from .header import Header, read_header
from .weight_file import WeightFile

PREFIX = "vision_model."
"""Prefix of the tower's keys. Files of the whole SigLIP hold a text tower beside it, which is not read."""
WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
"""Files of a folder in the layout of transformers."""
HEAD_WIDTH, SO400M_WIDTH, SO400M_HEADS = 64, 1152, 16
"""Published SigLIPs have heads of 64, except so400m: 16 heads for a width of 1152. The weights do not show this."""
SO400M_CELLS, SO400M_SIDE = 27, 384
"""The published so400m has 27 x 27 patches of 14 pixels, but its images have 384 pixels: the last 6 are not read."""
MAX_CONFIG = 2**20
"""Upper limit for a configuration, in bytes: 1 MiB. A longer one is not read to its end, and counts as missing."""
EPSILON = 1e-5
"""Epsilon of ComfyUI's layer norms. The published configuration says 1e-6."""


_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class SiglipSizes:
    """Sizes of a tower: layers, width D, MLP width, heads, and the image's and the patches' sides in pixels."""

    layers: int
    width: int
    mlp_width: int
    heads: int
    side: int
    patch: int


class _Layer(nn.Module):
    """One transformer layer; module names are those of the files."""

    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)
        self.self_attn = nn.ModuleDict({name: nn.Linear(width, width) for name in _PROJECTIONS})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, sizes.mlp_width), "fc2": nn.Linear(sizes.mlp_width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        normed = self.layer_norm1(x)
        # Each of q, k, v: [B, H, T, D / H].
        q, k, v = (
            self.self_attn[name](normed).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in _PROJECTIONS[:3]
        )
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.self_attn["out_proj"](attended)
        hidden = functional.gelu(self.mlp["fc1"](self.layer_norm2(x)), approximate="tanh")
        return x + self.mlp["fc2"](hidden)


class SiglipVision(nn.Module):
    """A SigLIP vision tower without its pooling head. `load_siglip` opens it."""

    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.sizes = sizes
        tokens = (sizes.side // sizes.patch) ** 2
        patches = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch)
        positions = nn.Embedding(tokens, sizes.width)
        self.embeddings = nn.ModuleDict({"patch_embedding": patches, "position_embedding": positions})
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(_Layer(sizes) for _ in range(sizes.layers))})

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Outputs of all layers [B, L, T, D] for images [B, H, W, 3] in 0..1; images are resized without cropping."""
        x = self.embeddings["patch_embedding"](self._pixels(images)).flatten(2).transpose(1, 2)
        x = x + self.embeddings["position_embedding"].weight
        states = []
        for layer in cast(nn.ModuleList, self.encoder["layers"]):
            x = layer(x)
            states.append(x)
        return torch.stack(states, dim=1)

    def _pixels(self, images: Tensor) -> Tensor:
        """[B, H, W, 3] -> normalised [B, 3, side, side], as ComfyUI and the SigLIP processor prepare images."""
        pixels = images[..., :3].to(next(self.parameters()).device, torch.float32).movedim(-1, 1)
        side = self.sizes.side
        if pixels.shape[-2:] != (side, side):
            pixels = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
        return ((pixels * 255).clip(0, 255).round() / 255 - 0.5) / 0.5

    def require_fit(self, config: EncoderConfig) -> None:
        """Check that the tower's states fit a style encoder.

        Raises:
            StyleExpertError: another width, token count or depth.
        """
        sizes = self.sizes
        tokens = (sizes.side // sizes.patch) ** 2
        if (tokens, sizes.width) != (config.num_tokens, config.hidden_size) or sizes.layers < -min(config.taps):
            raise StyleExpertError(
                f"The vision model has {tokens} tokens of width {sizes.width} and {sizes.layers} layers, but the style "
                f"encoder was trained on {config.vision_model} ({config.num_tokens} tokens of width "
                f"{config.hidden_size}, at least {-min(config.taps)} layers). Give that vision model."
            )


def load_siglip(path: str | Path) -> SiglipVision:
    """Open a SigLIP vision tower in float32: a .safetensors file, or a folder in the layout of transformers.

    A file may have a configuration beside it, `config.json` or `<stem>.json`. Without one, the sizes come from the
    weights and the number of heads from the width.

    Raises:
        StyleExpertError: the file is missing, is no SigLIP, or is incomplete.
    """
    path = Path(path)
    file = path / WEIGHTS_FILE if path.is_dir() else path
    header = read_header(file)
    sizes = _sizes(header, _read_config(file))
    # All shapes are checked before anything is allocated.
    expected = _shapes(sizes)
    if wrong := [key for key, shape in expected.items() if header.shapes.get(PREFIX + key) != shape]:
        raise _no_siglip(header, f"{len(wrong)} of its weights are missing or have another size, such as {wrong[0]}")
    tower = SiglipVision(sizes)
    with WeightFile(header).opened() as weights:
        tower.load_state_dict({key: weights.whole(PREFIX + key) for key in expected}, assign=True)
    return tower.eval().requires_grad_(False)


def _sizes(header: Header, config: dict[str, Any]) -> SiglipSizes:
    shapes = header.shapes
    patches = shapes.get(f"{PREFIX}embeddings.patch_embedding.weight", ())
    positions = shapes.get(f"{PREFIX}embeddings.position_embedding.weight", ())
    mlp = shapes.get(f"{PREFIX}encoder.layers.0.mlp.fc1.weight", ())
    pattern = re.compile(re.escape(PREFIX) + r"encoder\.layers\.(\d{1,3})\.")
    layers = {int(match[1]) for key in shapes if (match := pattern.match(key))}
    if len(patches) != 4 or patches[1] != 3 or len(positions) != 2 or len(mlp) != 2:
        raise _no_siglip(header, f"it lacks the weights of a tower, such as {PREFIX}embeddings.patch_embedding.weight")
    width, cells, patch = patches[0], isqrt(positions[0]), patches[2]
    heads = config.get("num_attention_heads", SO400M_HEADS if width == SO400M_WIDTH else width // HEAD_WIDTH)
    if cells**2 != positions[0] or type(heads) is not int or heads < 1 or width % heads:
        raise _no_siglip(header, f"it has {positions[0]} tokens of width {width}, and {quoted(heads)} heads")
    known_side = SO400M_SIDE if (width, cells) == (SO400M_WIDTH, SO400M_CELLS) else cells * patch
    side = config.get("image_size", known_side)
    if type(side) is not int or side // patch != cells:
        raise _no_siglip(header, f"its configuration says {quoted(side)} pixels, but it has {cells} x {cells} patches")
    return SiglipSizes(len(layers), width, mlp[0], heads, side, patch)


def _shapes(sizes: SiglipSizes) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a tower, by its key without prefix."""
    width, mlp_width, patch = sizes.width, sizes.mlp_width, sizes.patch
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "embeddings.patch_embedding.bias": (width,),
        "embeddings.position_embedding.weight": ((sizes.side // patch) ** 2, width),
    }
    linears = {f"self_attn.{name}": (width, width) for name in _PROJECTIONS}
    linears |= {"mlp.fc1": (mlp_width, width), "mlp.fc2": (width, mlp_width)}
    for layer in range(sizes.layers):
        stem = f"encoder.layers.{layer}"
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{stem}.{norm}.weight": (width,), f"{stem}.{norm}.bias": (width,)}
        for name, shape in linears.items():
            shapes |= {f"{stem}.{name}.weight": shape, f"{stem}.{name}.bias": shape[:1]}
    return shapes


def _read_config(file: Path) -> dict[str, Any]:
    """The vision part of the configuration beside a weight file; empty without one."""
    for path in (file.with_name(CONFIG_FILE), file.with_suffix(".json")):
        try:
            with path.open("rb") as opened:
                config = json.loads(opened.read(MAX_CONFIG))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(config, dict):
            vision = config.get("vision_config", config)
            return vision if isinstance(vision, dict) else {}
    return {}


def _no_siglip(header: Header, what: str) -> StyleExpertError:
    return StyleExpertError(
        f"{header.path.name} is no SigLIP vision model: {what}. Give the vision model of the style encoder, such as "
        "sigclip_vision_patch14_384.safetensors, or a folder with model.safetensors and config.json."
    )


def encode_images(tower: SiglipVision, encoder: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """Style embeddings [N, cond_dim] of N images, each [H, W, 3] in 0..1 and of any size."""
    with torch.no_grad():
        return torch.cat([encoder(tower(image[None])) for image in images]).cpu()
