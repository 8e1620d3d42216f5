"""A device that this machine does not have: its tensors are computed on the CPU, but report the device's name.

It lists all operations, and refuses what such devices lack: float64, and some named operations.
"""

from contextlib import ExitStack

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
MISSING = ("scaled_dot_product", "flash", "kthvalue", "aminmax")
"""Parts of the names of operations that some devices or builds of torch lack."""


class DeviceTensor(Tensor):
    """A tensor that reports an emulated device and holds its values on the CPU."""

    @staticmethod
    def __new__(cls, values: Tensor, device: torch.device) -> "DeviceTensor":
        layout = {"strides": values.stride(), "storage_offset": values.storage_offset()}
        self = Tensor._make_wrapper_subclass(cls, values.shape, **layout, dtype=values.dtype, device="cpu")
        self.values, self.emulated = values, device
        return self

    @property
    def device(self) -> torch.device:
        return self.emulated

    def __repr__(self) -> str:
        return f"DeviceTensor({self.values}, device={self.emulated})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} ran outside the emulated device")


class EmulatedDevice:
    """Emulates a device within a `with` block. `operations` lists what ran there."""

    def __init__(self, name: str) -> None:
        self.device = torch.device(name, 0)
        self.operations: list[str] = []
        self._modes = ExitStack()

    def __enter__(self) -> "EmulatedDevice":
        self._modes.enter_context(_Operations(self))
        self._modes.enter_context(_Transfers(self))
        return self

    def __exit__(self, *error) -> None:
        self._modes.close()

    def put(self, values: Tensor, dtype: torch.dtype | None = None) -> DeviceTensor:
        """A copy of CPU values on the device."""
        return self.wrap("a copy to the device", values.clone().to(dtype or values.dtype))

    def wrap(self, name: str, values: Tensor) -> DeviceTensor:
        """The result of an operation on the device."""
        self.require_single_precision(name, values)
        return DeviceTensor(values, self.device)

    def is_here(self, device) -> bool:
        return device is not None and torch.device(device).type == self.device.type

    def require_single_precision(self, name: str, *tensors: Tensor) -> None:
        assert all(tensor.dtype != torch.float64 for tensor in tensors), f"{name} uses float64 on {self.device}"


class _Transfers(TorchFunctionMode):
    """Carries out what names a device, before torch looks for that device."""

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is Tensor.cpu and isinstance(args[0], DeviceTensor):
            return args[0].values.clone()
        if func is Tensor.to:
            return self._to(args[0], args[1:], kwargs)
        if self.device.is_here(kwargs.get("device")):
            del kwargs["device"]
            return self.device.wrap(str(func), func(*args, **kwargs))
        return func(*args, **kwargs)

    def _to(self, source: Tensor, wanted: tuple, kwargs: dict) -> Tensor:
        device, dtype = kwargs.get("device"), kwargs.get("dtype")
        for one in wanted:
            if isinstance(one, Tensor):
                device, dtype = one.device, one.dtype
            elif isinstance(one, torch.dtype):
                dtype = one
            elif isinstance(one, (str, torch.device)):
                device = one
        dtype = dtype or source.dtype
        is_here = self.device.is_here(source.device if device is None else device)
        if isinstance(source, DeviceTensor):
            if is_here and dtype == source.dtype and not kwargs.get("copy"):
                return source
            values = source.values
        else:
            values = source
        return self.device.put(values, dtype) if is_here else values.to(dtype)


class _Operations(TorchDispatchMode):
    """Lists the operations on the device, and refuses those that it lacks."""

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
        if here:
            self._require(str(func), tensors, here)
        result = func(*tree_map(_values, args), **tree_map(_values, kwargs or {}))
        if not here or func is aten._local_scalar_dense.default:
            return result
        if func._schema.name.endswith("_"):
            return args[0]  # an operation in place
        wrap = self.device.wrap
        return tree_map(lambda leaf: wrap(str(func), leaf) if isinstance(leaf, Tensor) else leaf, result)

    def _require(self, name: str, tensors: list[Tensor], here: list[DeviceTensor]) -> None:
        device = self.device
        device.operations.append(name)
        assert not any(part in name for part in MISSING), f"{name} may not exist on {device.device}"
        others = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor) and tensor.ndim > 0]
        assert not others or "copy_" in name, f"{name} mixes tensors of {device.device} and of the CPU"
        device.require_single_precision(name, *here)


def _values(leaf):
    return leaf.values if isinstance(leaf, DeviceTensor) else leaf
