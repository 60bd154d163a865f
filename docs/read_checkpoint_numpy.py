#!/usr/bin/env python3
"""A checkpoint of itdiff.h in NumPy, with nothing else:  read_checkpoint_numpy.py FILE...

safetensors is an eight-byte length, so many bytes of JSON, and the numbers; everything is little-endian."""
import json
import struct
import sys

import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}  # all that itdiff.h writes


def read(path):
    """Arrays by name, and the metadata: what network they belong to, all as strings."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata, arrays = header.pop("__metadata__", {}), {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        arrays[name] = np.frombuffer(data[begin:end], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return arrays, metadata


if __name__ == "__main__":
    for path in sys.argv[1:]:
        for name, array in read(path)[0].items():
            rms = np.sqrt(np.mean(array.astype(float) ** 2))
            print(f"{name:48} {array.dtype} {array.shape}  rms {rms:.6g}")
