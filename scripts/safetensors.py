"""safetensors.py - reads a safetensors file into numpy arrays.

Written from the format's description (github.com/huggingface/safetensors, "Format"), not from src/weights.c: what the
library writes is read by something that shares no code with it. A file is untrusted.
"""
import json
import struct
from pathlib import Path

from needs import need

need("numpy", packages="python3-numpy")
import numpy  # noqa: E402

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "U8": "u1"}


def read(path):
    """({name: array}, {key: text}): the tensors, which are copies, and the metadata. ValueError where it is none."""
    content = Path(path).read_bytes()
    try:
        (header_size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8:8 + header_size])
        metadata = header.pop("__metadata__", {})
        data = content[8 + header_size:]
        return {name: tensor(data, **entry) for name, entry in header.items()}, metadata
    except (struct.error, KeyError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a safetensors file, or a damaged one ({error})") from None


def tensor(data, dtype, shape, data_offsets):
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(data):
        raise ValueError(f"bytes {begin} to {end} of {len(data)}")
    return numpy.frombuffer(data[begin:end], DTYPES[dtype]).reshape(shape).copy()
