#!/usr/bin/env python3
"""A checkpoint of itdiff.h in PyTorch; if it holds an MLP, as train_2d makes them, what that makes of noise:

    python3 docs/read_checkpoint_torch.py runs/dino/model.safetensors"""
import json
import math
import struct
import sys

import torch

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16}


def read(path):
    """Tensors by name, and the metadata: what network they belong to, all as strings."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=DTYPES[t["dtype"]])
        tensors[name] = flat.reshape(t["shape"])
    return tensors, metadata


def embed(x, size, scale):
    """Each number as size/2 sines and as many cosines of frequencies from scale down to scale/10000."""
    frequency = scale * torch.exp(-torch.arange(size // 2).double() * math.log(10000) / (size // 2 - 1))
    angle = x.unsqueeze(-1) * frequency.float()
    return torch.cat((angle.sin(), angle.cos()), -1).flatten(1)


def normal(stream, count):
    """Normal number `count` of a stream with seed 0: Philox4x32-10, then Box-Muller."""
    c, k, mask = [count, 0, stream & 0xFFFFFFFF, stream >> 32], [0, 0], 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & mask, a >> 32 ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    u, v = (((c[i] << 32 | c[i + 1]) >> 11) + 0.5 for i in (0, 2))
    return math.sqrt(-2 * math.log(u * 2**-53)) * math.cos(2 * math.pi * v * 2**-53)


def waves(z, logsnr, count, low, high):
    """sin(w.z) and cos(w.z), less the more noise z has. Directions w are the same for every network with as many."""
    d = z.shape[1]
    w = torch.tensor([[normal(12 << 56, k * d + j) for j in range(d)] for k in range(count)]).double()
    length = low * (high / low) ** ((torch.arange(count).double() + 0.5) / count)
    w = (w * (length / w.norm(dim=1)).unsqueeze(1)).float()
    left = torch.exp(-torch.sigmoid(-logsnr) * length.float() ** 2 / 2)
    return torch.cat((left * (z @ w.T).sin(), left * (z @ w.T).cos()), 1)


def denoise(tensors, metadata, z, logsnr):
    """eps_hat for rows z (n,d) of the model's coordinates, norm.whiten (x - norm.mean), at log SNRs (n,1)."""
    size = int(metadata["mlp.embedding"])
    shrink, skip, gain = 1, 0, 1
    if metadata["parameterization"] == "1":  # the deviation from a Gaussian's denoiser
        signal, noise = torch.sigmoid(logsnr) * float(metadata["variance"]), torch.sigmoid(-logsnr)
        total = signal + noise
        shrink, skip, gain = total.rsqrt(), noise.sqrt() / total, (signal / total).sqrt()
    h, side = shrink * z, logsnr
    directions = int(metadata.get("mlp.directions", 0))
    if directions:
        low, high = float(metadata["mlp.frequency_min"]), float(metadata["mlp.frequency_max"])
        h = waves(h, logsnr, directions, low, high)
    elif size:
        h = embed(h, size, float(metadata["mlp.coordinate_scale"]))
    if size:
        side = embed(logsnr, size, float(metadata["mlp.logsnr_scale"]))
    h = torch.cat((h, side), 1)
    for k in range(int(metadata["mlp.layers"])):
        if k:
            h = torch.relu(h) if metadata["mlp.activation"] == "0" else torch.nn.functional.silu(h)
        h = torch.nn.functional.linear(h, tensors[f"layers.{k}.weight"], tensors[f"layers.{k}.bias"])
    return skip * z + gain * h


if __name__ == "__main__":
    for path in sys.argv[1:]:
        tensors, metadata = read(path)
        for name, t in tensors.items():
            print(f"{name:48} {t.dtype} {tuple(t.shape)}  rms {t.double().square().mean().sqrt():.6g}")
        if metadata["unet"] == "0":
            z, logsnr = torch.randn(5, len(tensors["norm.mean"])), torch.linspace(-4, 4, 5).unsqueeze(1)
            print("eps_hat of noise at log SNR -4 ... 4:", denoise(tensors, metadata, z, logsnr), sep="\n")
