"""Where, when and how MoE Apply adds a style, and the choice between patch and branch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...attention.phrase_masks import MaskRule
from ...attention.phrases import without_article
from ...attention.selection import ALL, parse_blocks
from ...flux.layer_names import block_of, is_attention, is_feed_forward
from ...moe import StyleExpertError
from ..branch.named_objects import ObjectPhrase
from ..branch.places import Place
from ..branch.style_branch import Schedule
from ..maps.capture import block_counts
from ..model_patching import PatchKey
from ..weight_storage import stores_few_bits

Method = Literal["auto", "patch", "branch"]
Layers = Literal["all", "attention", "feed-forward"]
METHODS: tuple[Method, ...] = get_args(Method)
LAYERS: tuple[Layers, ...] = get_args(Layers)


@dataclass(frozen=True, eq=False)
class Placement:
    """The optional inputs of MoE Apply; see `placement_inputs`.

    Raises:
        StyleExpertError: the start is not before the end, or the mask has another number of dimensions or NaN.
    """

    mask: Tensor | None = None
    object: str = ""
    start_percent: float = 0.0
    end_percent: float = 1.0
    blocks: str = ALL
    layers: Layers = "all"
    method: Method = "auto"
    object_size: float = 0.0
    grow: int = 0
    feather: float = 0.5
    hold_from_step: int = 0

    def __post_init__(self) -> None:
        if self.start_percent >= self.end_percent:
            raise StyleExpertError(
                f"The style starts at {self.start_percent:g} and ends at {self.end_percent:g}, so it never acts. Set "
                "start_percent below end_percent."
            )
        if self.mask is not None and (self.mask.ndim != 3 or 0 in self.mask.shape):
            raise StyleExpertError(
                f"The mask has shape {list(self.mask.shape)}, expected [masks, height, width]. Connect a MASK."
            )
        if self.mask is not None and not bool(self.mask.isfinite().all()):
            raise StyleExpertError("The mask holds NaN or infinite numbers. Connect another MASK.")

    @property
    def is_nowhere(self) -> bool:
        """Whether the mask is black, so that the style changes nothing."""
        return self.mask is not None and not bool((self.mask > 0).any())

    @property
    def place(self) -> Place | None:
        """The place of the style; None for the whole image. A white mask is the whole image."""
        return self.place_in(least_attention=0.0)

    def place_in(self, least_attention: float) -> Place | None:
        """The place of the style in a model.

        Args:
            least_attention: the attention below which an object counts as absent; see `object_blocks.least_attention`.
        """
        mask = None if self.mask is None or bool((self.mask >= 1).all()) else self.mask.float().cpu()
        phrase = without_article(self.object)
        settings = {"rule": self._rule, "hold_from": self.hold_from_step or None, "least_attention": least_attention}
        named = ObjectPhrase(phrase, **settings) if phrase else None
        return None if mask is None and named is None else Place(mask, named)

    @property
    def schedule(self) -> Schedule:
        """The part of the sampling in which the style acts."""
        return Schedule(self.start_percent, self.end_percent)

    @property
    def _rule(self) -> MaskRule:
        threshold = 1 - self.object_size if self.object_size > 0 else "otsu"
        return MaskRule(threshold=threshold, grow=self.grow, feather=self.feather)

    def chosen_keys(self, model: ModelPatcher, keys: Mapping[str, PatchKey]) -> dict[str, PatchKey]:
        """The keys of the layers in the chosen blocks and of the chosen kind.

        Raises:
            AttentionError: `blocks` does not follow the grammar, or names a block that the model does not have.
            StyleExpertError: no layer is left.
        """
        blocks = set(parse_blocks(self.blocks, block_counts(model)))
        is_all = self.blocks.strip().lower() == ALL
        kinds = {"attention": is_attention, "feed-forward": is_feed_forward}
        is_chosen = kinds.get(self.layers, lambda layer: True)
        chosen = {
            layer: key for layer, key in keys.items() if is_chosen(layer) and (is_all or block_of(layer) in blocks)
        }
        if not chosen:
            raise StyleExpertError(
                f"The experts change no layer of kind '{self.layers}' in the blocks '{self.blocks}'. Choose other "
                "blocks or layers."
            )
        return chosen

    def needs_branch(self, model: ModelPatcher, keys: Iterable[PatchKey], styles: int = 1) -> bool:
        """Whether the style is added at run time, and not merged into the weights.

        Args:
            model: the model.
            keys: the weights that the style changes.
            styles: number of styles, one for each image of the batch; 1 for all images.

        Raises:
            StyleExpertError: `method` is "patch", but the style has a place, a time or an image of its own.
        """
        is_local = self.place is not None or self.schedule != Schedule() or styles > 1
        if self.method == "patch" and is_local:
            raise StyleExpertError(
                "The method 'patch' changes all images, each as a whole and at all steps, but a mask, an object, a "
                "part of the steps or one style per image was given. Set method to auto."
            )
        if self.method != "auto":
            return self.method == "branch"
        names = (key if isinstance(key, str) else key[0] for key in keys)
        return is_local or stores_few_bits(model, names)
