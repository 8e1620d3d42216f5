"""torch.compile: whether a MODEL is compiled, and code that runs without compilation.

A compiled graph may store values of `transformer_options` for ever, for all models of the process. ComfyUI's and
KJNodes' compile nodes drop the guards that would notice another value. So a call that we change must not be compiled.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import nn

COMPILE_KEY = "torch.compile"
"""Key of the wrapper with which ComfyUI's own and KJNodes' nodes compile a model at each call."""


class EagerStance:
    """Runs code without compilation, in any number of threads at once.

    torch keeps one stance for the whole process. The first thread sets the stance, and the last one restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._stance = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Runs compiled modules as if they were not compiled, for the length of the `with` block."""
        # If torch._dynamo was never imported, nothing is compiled. The import would take seconds.
        if "torch._dynamo" not in sys.modules:
            yield
            return
        self._begin()
        try:
            yield
        finally:
            self._end()

    def _begin(self) -> None:
        with self._lock:
            if self._running == 0:
                self._stance.enter_context(torch.compiler.set_stance("force_eager"))
            self._running += 1

    def _end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._stance.close()


eager = EagerStance()


def is_compiled(model: ModelPatcher) -> bool:
    """Whether another node compiles `model`, as a whole or in parts."""
    if "torch._dynamo" not in sys.modules:
        return False
    if model.wrappers.get(WrappersMP.APPLY_MODEL, {}).get(COMPILE_KEY):
        return True
    patches = (patch for patch in model.object_patches.values() if isinstance(patch, nn.Module))
    return any(_is_compiled_module(module) for whole in (model.model, *patches) for module in whole.modules())


def without_compilation(module: Any) -> Any:
    """The module inside a compiled one, or the module itself."""
    return getattr(module, "_orig_mod", module)


def _is_compiled_module(module: nn.Module) -> bool:
    # `torch.compile(module)` makes an OptimizedModule, and `module.compile()` sets the second attribute.
    return "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None
