"""Style Guider: a guider with a dial for the content and a dial for the style."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ...moe import StyleExpertError
from ..branch.branched_model import styles_of, with_free_prompts
from ..branch.object_blocks import object_blocks
from ..comfy_server import NodeText
from ..model_family import require_flux
from ..node_base import StyleRouteNode
from ..schema import model_input, schema
from .dial_guider import NEUTRAL, DialGuider
from .dial_prompts import Conditioning, ReferenceOrder, with_references, without_content, without_style
from .reference_positions import with_kept_positions

CONTENT, STYLE = "without content", "without style"
"""Names of the prompts that lack something."""
CONTENT_DEFAULT, STYLE_DEFAULT = 2.0, 1.0
"""The values of the example workflow. docs/results-dials.md shows the curve."""
CHANNELS = 16
"""Channels of FLUX's latents."""


class StyleGuider(StyleRouteNode):
    """Guides a sampler by two separate terms, one for the content reference and one for the style."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_StyleGuider",
            display_name="Style Guider",
            description="Guides SamplerCustomAdvanced with two dials: how closely the result keeps the content image, "
            "and how strongly it takes the style. Each dial at 1 costs nothing.",
            search_aliases=["cfg", "guidance", "guider", "content strength", "style strength", "dual cfg"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                model_input(),
                io.Conditioning.Input(
                    "conditioning", tooltip="The positive prompt, with the content image as its first reference latent."
                ),
                *_dials(),
                *_references(),
            ],
            outputs=[io.Guider.Output("GUIDER", tooltip="The guider, for SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        conditioning: Conditioning,
        content: float,
        style: float,
        content_reference: dict | None = None,
        style_reference: dict | None = None,
    ) -> io.NodeOutput:
        require_flux(model)
        added = [_latent("content_reference", content_reference), _latent("style_reference", style_reference)]
        prompt = with_references(conditioning, *added)
        styles = styles_of(model)
        reads_images = any(known.reads_style_image for known in styles)
        order = ReferenceOrder(bool(styles) and not reads_images, int(added[1] is not None))
        _require_effect(prompt, order, bool(styles), content, style)
        if style != NEUTRAL:
            model = with_free_prompts(model, object_blocks(model))
        if content != NEUTRAL:
            model = with_kept_positions(model)
        guider = DialGuider(model)
        guider.set_dials({CONTENT: content, STYLE: style})
        lacking = {CONTENT: without_content(prompt, order), STYLE: without_style(prompt, order)}
        guider.set_prompts(prompt, {name: lacking[name] for name in guider.weights})
        NodeText(cls.hidden and cls.hidden.unique_id).add(f"Evaluations per step: {1 + len(guider.weights)}")
        return io.NodeOutput(guider)


def _require_effect(
    prompt: Conditioning, order: ReferenceOrder, has_styles: bool, content: float, style: float
) -> None:
    """Refuses a dial that has nothing to guide.

    Raises:
        StyleExpertError: a dial is not at 1, but the prompt has no content, or there is no style.
    """
    texts = [options for _, options in prompt]
    if content != NEUTRAL and not all(order.contents(options) for options in texts):
        raise StyleExpertError(
            f"The dial content is {content:g}, but the prompt has no reference latent of a content image. Add one with "
            "Reference Latent or content_reference, or set content to 1."
        )
    if style != NEUTRAL and not has_styles and not any(order.styles(options) for options in texts):
        raise StyleExpertError(
            f"The dial style is {style:g}, but neither the model nor the prompt has a style. Connect the MODEL of MoE "
            "Apply or a style_reference, or set style to 1."
        )


def _latent(name: str, latent: dict | None) -> Tensor | None:
    """The samples of a LATENT.

    Raises:
        StyleExpertError: they are not FLUX's latents.
    """
    if latent is None:
        return None
    samples = latent.get("samples")
    if not isinstance(samples, Tensor) or samples.ndim != 4 or samples.shape[1] != CHANNELS:
        found = f"shape {list(samples.shape)}" if isinstance(samples, Tensor) else "no samples"
        raise StyleExpertError(
            f"'{name}' has {found}, expected [images, {CHANNELS}, height, width]. Connect the image's latent from VAE "
            "Encode, with the VAE of FLUX.1 Kontext."
        )
    return samples


def _dials() -> list[io.Input]:
    return [
        _dial("content", CONTENT_DEFAULT, "How closely the result keeps the content image: 1 as the model does, above "
              "1 closer, below 1 freer. Away from 1 it costs one evaluation per step."),
        _dial("style", STYLE_DEFAULT, "How strongly the result takes the style: 1 as the model does, above 1 stronger, "
              "0 no style. Away from 1 it costs one evaluation per step."),
    ]  # fmt: skip


def _dial(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=10.0, step=0.05, round=0.001, tooltip=tooltip)


def _references() -> list[io.Input]:
    return [
        io.Latent.Input(
            "content_reference",
            optional=True,
            tooltip="The content image's latent, if the prompt has no Reference Latent for it.",
        ),
        io.Latent.Input(
            "style_reference",
            optional=True,
            tooltip="The style image's latent, for experts that read it, if the prompt has no reference for it.",
        ),
    ]
