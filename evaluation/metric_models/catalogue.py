"""The published weights that the metrics use by default. docs/metrics.md lists them, too."""

from .weights import HUB, PublishedWeights


def _on_hub(title: str, name: str, size: str) -> PublishedWeights:
    return PublishedWeights(title, name, size, f"{HUB}{name}")


CLIP = _on_hub("CLIP", "openai/clip-vit-large-patch14", "1.7 GB")
"""CLIP ViT-L/14, which the aesthetic head needs, too."""
DINO = _on_hub("DINO", "facebook/dinov2-base", "0.35 GB")
"""DINOv2 ViT-B/14. The papers do not say which DINO they use."""
CSD = _on_hub("CSD", "tomg-group-umd/CSD-ViT-L", "1.2 GB")
"""Contrastive Style Descriptors on CLIP ViT-L/14."""
VLM = _on_hub("the vision-language model", "Qwen/Qwen2.5-VL-7B-Instruct", "16.6 GB")
"""The model of RegionRoute's four questions."""
AESTHETIC = PublishedWeights(
    "LAION's aesthetic head",
    "sac+logos+ava1-l14-linearMSE.pth",
    "4 MB",
    "https://github.com/christophschuhmann/improved-aesthetic-predictor",
)
"""A small network on the vectors of CLIP ViT-L/14."""
DREAMSIM = PublishedWeights(
    "DreamSim",
    "dreamsim_ensemble",
    "about 2 GB",
    "https://github.com/ssundaram21/dreamsim/releases",
)
"""A folder with the unpacked `dreamsim_ensemble_checkpoint.zip`."""

_TORCHVISION = "https://download.pytorch.org/models/"
LPIPS = {
    "alex": PublishedWeights(
        "AlexNet for LPIPS", "alexnet-owt-7be5be79.pth", "0.24 GB", f"{_TORCHVISION}alexnet-owt-7be5be79.pth"
    ),
    "vgg": PublishedWeights(
        "VGG-16 for LPIPS", "vgg16-397923af.pth", "0.55 GB", f"{_TORCHVISION}vgg16-397923af.pth"
    ),
    "squeeze": PublishedWeights(
        "SqueezeNet for LPIPS", "squeezenet1_1-b8a52dc0.pth", "5 MB", f"{_TORCHVISION}squeezenet1_1-b8a52dc0.pth"
    ),
}  # fmt: skip
"""torchvision's networks below LPIPS, by their names in LPIPS. torchmetrics ships LPIPS's own layers."""
