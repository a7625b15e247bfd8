"""safetensors.py - reads a safetensors file into numpy arrays.

Written from the format's description (github.com/huggingface/safetensors, "Format"), not from
src/weights.c: what the library writes is read by something that shares no code with it.
"""
import json
import math
import struct
from pathlib import Path

import numpy

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "u1"}


def read(path):
    """({name: array}, {key: text}): the tensors, which are copies, and the metadata."""
    content = Path(path).read_bytes()
    (header_size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + header_size])
    metadata = header.pop("__metadata__", {})
    data = content[8 + header_size:]
    tensors = {}
    for name, entry in header.items():
        dtype, shape, (begin, end) = numpy.dtype(DTYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
        count = math.prod(shape)
        if end - begin != count * dtype.itemsize or not 0 <= begin <= end <= len(data):
            raise ValueError(f"{path}: {name} of {entry['dtype']} {shape} does not fit bytes {begin} to {end}")
        tensors[name] = numpy.frombuffer(data, dtype, count, begin).reshape(shape).copy()
    return tensors, metadata
