"""The workflow of a setting in API form: the nodes of the example workflow, with the sampler of the setting."""

from typing import Any

from ...comfy_client.workflow import Prompt
from ...dataset.scenes import IMAGE_SIDE
from .settings import DialSetting

TEXT, TEXT_TOKENS, GUIDANCE = "an image", 32, 3.5
"""The text prompt, its T5 tokens and the guidance of the example workflow."""
SIZE = {"width": IMAGE_SIDE, "height": IMAGE_SIDE, "batch_size": 1}
RESULT = "Result"
"""Title of the node that saves the image."""


def dial_workflow(setting: DialSetting, expert: str, photo: str, style: str, seed: int) -> Prompt:
    """The prompt for one image.

    Args:
        setting: the way to sample.
        expert: name of the expert file on the server.
        photo: name of the content image on the server.
        style: name of the style image on the server.
        seed: seed of the noise.
    """
    sampler = _stock_sampler if setting.form == "KSampler, negative prompt" else _guided_sampler
    return {**_styled(setting, expert, photo, style), **sampler(setting, seed)}


def _styled(setting: DialSetting, expert: str, photo: str, style: str) -> Prompt:
    """From the images to the styled model, the positive prompt and the latent's decoder."""
    opened = {"expert": expert, "encoder": "in the expert file", "routing": "as the file says"}
    encoded = {"style_expert": ["experts", 0], "clip_vision": ["models", 3], "image": ["style", 0]}
    applied = {"model": ["models", 0], "style_expert": ["experts", 0], "style": ["encoded style", 0]}
    return {
        "models": _node("TinyKontext_Load"),
        "photo": _node("LoadImage", image=photo),
        "style": _node("LoadImage", image=style),
        "experts": _node("StyleRoute_LoadStyleExpert", **opened),
        "encoded style": _node("StyleRoute_EncodeStyle", **encoded),
        "styled": _node("StyleRoute_MoEApply", **applied, strength=setting.strength),
        "length": _node("T5TokenizerOptions", clip=["models", 1], min_padding=0, min_length=TEXT_TOKENS),
        "text": _node("CLIPTextEncode", clip=["length", 0], text=TEXT),
        "content latent": _node("VAEEncode", pixels=["photo", 0], vae=["models", 2]),
        "content": _node("ReferenceLatent", conditioning=["text", 0], latent=["content latent", 0]),
        "both": _node("StyleRoute_StyleReferences", conditioning=["content", 0], vae=["models", 2], image=["style", 0]),
        "positive": _node("FluxGuidance", conditioning=["both", 0], guidance=GUIDANCE),
        "empty": _node("EmptySD3LatentImage", **SIZE),
        "decoded": _node("VAEDecode", samples=["sampled", 0], vae=["models", 2]),
        "saved": _node("SaveImage", RESULT, images=["decoded", 0], filename_prefix="dials"),
    }


def _stock_sampler(setting: DialSetting, seed: int) -> Prompt:
    """KSampler with the same text and the style image alone as the negative prompt."""
    alone = {"conditioning": ["text", 0], "vae": ["models", 2], "image": ["style", 0]}
    inputs = {"model": ["styled", 0], "positive": ["positive", 0], "negative": ["negative", 0]}
    settings = {"sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    numbers = {"seed": seed, "steps": setting.steps, "cfg": setting.content}
    return {
        "style alone": _node("StyleRoute_StyleReferences", **alone),
        "negative": _node("FluxGuidance", conditioning=["style alone", 0], guidance=GUIDANCE),
        "sampled": _node("KSampler", **inputs, latent_image=["empty", 0], **settings, **numbers),
    }


def _guided_sampler(setting: DialSetting, seed: int) -> Prompt:
    """SamplerCustomAdvanced with Style Guider. With both dials at 1 this equals plain sampling."""
    schedule = {"model": ["styled", 0], "scheduler": "simple", "steps": setting.steps, "denoise": 1.0}
    guided = {"model": ["styled", 0], "conditioning": ["positive", 0]}
    parts = {"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["sampler", 0], "sigmas": ["sigmas", 0]}
    return {
        "noise": _node("RandomNoise", noise_seed=seed),
        "sampler": _node("KSamplerSelect", sampler_name="euler"),
        "sigmas": _node("BasicScheduler", **schedule),
        "guider": _node("StyleRoute_StyleGuider", **guided, content=setting.content, style=setting.style),
        "sampled": _node("SamplerCustomAdvanced", **parts, latent_image=["empty", 0]),
    }


def _node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title or class_type}}
