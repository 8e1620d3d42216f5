"""Small files whose headers cost a careless reader gigabytes of memory or minutes of time."""

import json
import struct

KEY = "transformer.transformer_blocks.0.attn.to_q.lora_A.weight"


def file_with_header(header: object, tail: bytes = b"") -> bytes:
    """A safetensors file with this header, which may be ready bytes, and these tensor bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tail


def one_tensor(shape: object, offsets: object = (0, 4), dtype: object = "F32") -> bytes:
    """A file with a single tensor of four bytes."""
    return file_with_header({KEY: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, bytes(4))


def many_tensors(count: int, shape: list[int], num_bytes: int) -> bytes:
    """A file with `count` tensors of one byte, or of no byte."""
    spans = ([number * num_bytes, (number + 1) * num_bytes] for number in range(count))
    entries = {f"x{number}": {"dtype": "U8", "shape": shape, "data_offsets": span} for number, span in enumerate(spans)}
    return file_with_header(entries, bytes(count * num_bytes))


BOMBS = {
    "a text times a number": one_tensor(["a", 10**9]),
    "a list times a number": one_tensor([[0], 10**9]),
    "300 sizes of 4,000 digits": one_tensor([10**4_000] * 300),
    "a size of 5,000 digits": file_with_header(b'{"x": {"dtype": "F32", "shape": [%s]}}' % (b"9" * 5_000)),
    "nine sizes": one_tensor([1] * 9),
    "sizes up to 2^62": one_tensor([2**62, 2**62]),
    "a size that is true": one_tensor([True]),
    "a size that is 1.0": one_tensor([1.0]),
    "a negative size": one_tensor([-1, -1]),
    "a shape that is a number": one_tensor(1),
    "a shape that is a text": one_tensor("1"),
    "a shape that is a table": one_tensor({"1": 1}),
    "offsets that are texts": one_tensor([1], ["0", "4"]),
    "offsets that are true": one_tensor([1], [False, 4]),
    "three offsets": one_tensor([1], [0, 4, 4]),
    "offsets behind the file": one_tensor([10**9], [0, 4 * 10**9]),
    "a LoRA of empty tensors with many rows": file_with_header(
        {
            KEY: {"dtype": "F32", "shape": [2**40, 0], "data_offsets": [0, 0]},
            KEY.replace("lora_A", "lora_B"): {"dtype": "F32", "shape": [0, 2**40], "data_offsets": [0, 0]},
        }
    ),
    "30,000 empty tensors": many_tensors(30_000, [0], 0),
    "30,000 tensors": many_tensors(30_000, [1], 1),
    "a dtype that is a list": one_tensor([1], dtype=["F32"]),
    "a number of 5,000 digits in a key": file_with_header(
        {
            f"projections.-2.{'9' * 5_000}.weight": {"dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]},
            "embedding_linears.-2.0.weight": {"dtype": "U8", "shape": [2, 2], "data_offsets": [4, 8]},
        },
        bytes(8),
    ),
    "100,000 nested lists": file_with_header(b"[" * 100_000),
    "100,000 nested tables": file_with_header(b'{"a":' * 100_000),
}
"""By name: the content of a file that must be refused from its header."""
