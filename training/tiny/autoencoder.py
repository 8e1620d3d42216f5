"""The small autoencoder: the layers of TAESD with 16 latent channels, named as ComfyUI's VAE loader expects."""

import torch
from torch import Tensor, nn

LATENT_CHANNELS = 16
WIDTH = 64

# FLUX's latent format: a model sees (latent - SHIFT) * SCALE. The file stores both as the autoencoder's own shift and
# scale, so that the transformer sees the encoder's output unchanged.
FLUX_SCALE = 0.3611
FLUX_SHIFT = 0.1159


class SoftClamp(nn.Module):
    """Limits latents smoothly to (-3, 3)."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / 3) * 3


class ResidualBlock(nn.Module):
    """A residual block of three 3 x 3 convolutions, [B, WIDTH, H, W] to the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.conv(features) + features)


def _conv(inputs: int = WIDTH, outputs: int = WIDTH, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def build_encoder() -> nn.Sequential:
    """Builds the encoder: images [B, 3, H, W] in 0..1 -> latents [B, 16, H/8, W/8]."""
    layers: list[nn.Module] = [_conv(3), ResidualBlock()]
    for _ in range(3):
        layers += [_conv(stride=2, bias=False), ResidualBlock(), ResidualBlock(), ResidualBlock()]
    return nn.Sequential(*layers, _conv(WIDTH, LATENT_CHANNELS))


def build_decoder() -> nn.Sequential:
    """Builds the decoder: latents [B, 16, H/8, W/8] -> images [B, 3, H, W] in 0..1."""
    layers: list[nn.Module] = [SoftClamp(), _conv(LATENT_CHANNELS), nn.ReLU()]
    for _ in range(3):
        layers += [ResidualBlock(), ResidualBlock(), ResidualBlock(), nn.Upsample(scale_factor=2), _conv(bias=False)]
    return nn.Sequential(*layers, ResidualBlock(), _conv(WIDTH, 3))


class Autoencoder(nn.Module):
    """Encoder and decoder. ``encode`` gives the latents that the transformer sees: mean about 0, spread about 1."""

    def __init__(self) -> None:
        super().__init__()
        self.taesd_encoder = build_encoder()
        self.taesd_decoder = build_decoder()
        self.vae_scale = nn.Parameter(torch.tensor(FLUX_SCALE), requires_grad=False)
        self.vae_shift = nn.Parameter(torch.tensor(FLUX_SHIFT), requires_grad=False)

    def encode(self, images: Tensor) -> Tensor:
        """Encodes images [B, 3, H, W] in 0..1 to latents [B, 16, H/8, W/8]."""
        return self.taesd_encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Decodes latents [B, 16, H/8, W/8] to images [B, 3, H, W], about 0..1 (not clamped)."""
        return self.taesd_decoder(latents)
