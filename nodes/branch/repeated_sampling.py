"""Notices that one node samples several times in one run, as upscalers do for tiles. A mask covers each tile then."""

from comfy_execution.utils import ExecutionContext, get_executing_context

from ..comfy_server import clear_under_node, warn

NOTE = (
    "This node samples several times in one run. Each time, the mask or object of MoE Apply is for the whole latent. "
    "If it samples tiles of an image, apply the style without mask and object there."
)


class RepeatedSampling:
    """The last run of a MODEL with places, and whether its node has sampled before in the same execution."""

    def __init__(self) -> None:
        self._last: ExecutionContext | None = None
        self._is_told = False

    def begin(self) -> None:
        """Starts a run. From the second run of one node in one execution on, a note is logged and shown, once."""
        node, last = get_executing_context(), self._last
        is_repeated = node is not None and node == last
        if node is not None and is_repeated and not self._is_told:
            warn(NOTE, node.node_id)
        elif last is not None and self._is_told and not is_repeated:
            clear_under_node(last.node_id)
        self._last, self._is_told = node, is_repeated
