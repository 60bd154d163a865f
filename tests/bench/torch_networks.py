#!/usr/bin/env python3
"""The rival PyTorch: the networks of bench/networks.c, as fast as its usual means make them.

    build/bench_networks --list | python3 tests/bench/torch_networks.py

For each network, way of doing it and number of threads (one, and as many as --threads says), lines like:

    torch name=train_dino_t2 way=eager-foreach value=... unit=steps/s
    torch name=forward_small_t2 way=channels-last value=... unit=images/s
    torch name=one_small_t1 way=channels-last value=... unit=images/s

A training step draws a batch from tensors in memory, noise and log SNRs, runs forward, backward and Adam. It
does not draw stratified log SNRs, parameterize by a Gaussian, limit weights, fade waves that noise has washed
out, check for what is not finite or keep an average of the weights, all of which the library does.

--onnx FOLDER writes the forward passes there instead, each for the rows it takes, as NAME.onnx.
"""
import argparse
import json
import math
import os
import sys
import time
import warnings
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

DIM, POINTS, SIDE, CHANNELS = 2, 8000, 32, 3
LOC, SCALE, CLIP = 0.0, 3.0, 4.0  # of the schedule: neither these nor the frequencies change the time
COORDINATE_SCALE, LOGSNR_SCALE = 100.0, 50.0


def frequencies(size, scale):
    half = size // 2
    return scale * torch.exp(-torch.arange(half) * math.log(10000.0) / (half - 1))


def waves(angle):
    return torch.cat((angle.sin(), angle.cos()), -1)


class Vectors(nn.Module):
    """The network of vectors. Without directions each coordinate has sinusoids of its own."""

    def __init__(self, n):
        super().__init__()
        embedding, directions = n["embedding"], n["directions"]
        self.register_buffer("of_z", torch.randn(DIM, directions) if directions else None)
        self.register_buffer("of_coordinate", frequencies(embedding, COORDINATE_SCALE))
        self.register_buffer("of_logsnr", frequencies(embedding, LOGSNR_SCALE))
        width, rows = embedding + (2 * directions or DIM * embedding), []
        for _ in range(n["layers"] - 1):
            rows += [nn.Linear(width, n["hidden"]), nn.ReLU() if n["activation"] == "relu" else nn.SiLU()]
            width = n["hidden"]
        self.net = nn.Sequential(*rows, nn.Linear(width, DIM))

    def forward(self, z, logsnr):
        if self.of_z is None:
            a = waves(z.unsqueeze(-1) * self.of_coordinate).flatten(1)
        else:
            a = waves(z @ self.of_z)
        return self.net(torch.cat((a, waves(logsnr.unsqueeze(-1) * self.of_logsnr)), -1))


class Conv(nn.Conv2d):
    """Of a level: an image goes in, and the time, which it does not look at."""

    def forward(self, h, time):
        return super().forward(h)


class Upsample(Conv):
    def forward(self, h, time):
        return super().forward(F.interpolate(h, scale_factor=2.0, mode="nearest"), time)


class Attention(nn.Module):
    def __init__(self, n, groups):
        super().__init__()
        self.norm, self.scale = nn.GroupNorm(groups, n), n**-0.5
        self.q, self.k, self.v, self.out = (nn.Linear(n, n) for _ in range(4))

    def forward(self, h):
        t = self.norm(h).flatten(2).transpose(1, 2)
        scores = self.q(t) @ self.k(t).transpose(1, 2) * self.scale
        t = self.out(scores.softmax(-1) @ self.v(t))
        return h + t.transpose(1, 2).reshape(h.shape)


class Block(nn.Module):
    """A residual block from n to m channels, with attention after it where there is some."""

    def __init__(self, n, m, network, attention):
        super().__init__()
        groups = network["groups"]
        self.norm1, self.conv1 = nn.GroupNorm(groups, n), nn.Conv2d(n, m, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, m), nn.Conv2d(m, m, 3, padding=1)
        self.time = nn.Linear(network["hidden"], m)
        self.shortcut = nn.Conv2d(n, m, 1) if n != m else nn.Identity()
        self.attention = Attention(m, groups) if attention else nn.Identity()

    def forward(self, h, time):
        x = self.shortcut(h)
        h = self.conv1(F.silu(self.norm1(h))) + self.time(time)[:, :, None, None]
        return self.attention(x + self.conv2(F.silu(self.norm2(h))))


class UNet(nn.Module):
    def __init__(self, network):
        super().__init__()
        features, blocks, hidden = network["features"], network["blocks"], network["hidden"]
        attention = [network["attention"] >> i & 1 for i in range(len(features) + 1)]
        n, skips, down, up = features[0], [features[0]], [], []
        self.register_buffer("of_logsnr", frequencies(network["embedding"], LOGSNR_SCALE))
        self.time = nn.Sequential(
            nn.Linear(network["embedding"], hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.first = nn.Conv2d(CHANNELS, n, 3, padding=1)
        for i, m in enumerate(features):
            for _ in range(blocks):
                down.append(Block(n, m, network, attention[i]))
                n = m
                skips.append(n)
            if i + 1 < len(features):
                down.append(Conv(n, n, 3, stride=2, padding=1))
                skips.append(n)
        middle = [Block(n, n, network, attention[-1]), Block(n, n, network, False)]
        for i, m in reversed(list(enumerate(features))):
            for _ in range(blocks + 1):
                up.append(Block(n + skips.pop(), m, network, attention[i]))
                n = m
            if i > 0:
                up.append(Upsample(n, n, 3, padding=1))
        self.down, self.middle, self.up = nn.ModuleList(down), nn.ModuleList(middle), nn.ModuleList(up)
        self.norm, self.last = nn.GroupNorm(network["groups"], n), nn.Conv2d(n, CHANNELS, 3, padding=1)

    def forward(self, z, logsnr):
        time = self.time(waves(logsnr.unsqueeze(-1) * self.of_logsnr))
        h = self.first(z)
        skips = [h]
        for part in self.down:
            h = part(h, time)
            skips.append(h)
        for part in self.middle:
            h = part(h, time)
        for part in self.up:
            h = part(torch.cat((h, skips.pop()), 1) if isinstance(part, Block) else h, time)
        return self.last(F.silu(self.norm(h)))


def along(a, x):
    """One number for each row of x, shaped to multiply the row."""
    return a.reshape([-1] + [1] * (x.dim() - 1))


class Loss(nn.Module):
    """1/2 mean w || eps - eps_hat ||^2; what does not depend on the network is left out."""

    def __init__(self, denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x, eps, u):
        low, width = 1 / (1 + math.exp(CLIP)), math.tanh(CLIP / 2)
        t = torch.logit(low + width * u)
        logsnr = LOC + SCALE * t
        weight = SCALE * width / (torch.sigmoid(t) * torch.sigmoid(-t))
        signal, noise = torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()
        z = along(signal, x) * x + along(noise, x) * eps
        error = (eps - self.denoiser(z, logsnr)).square().sum(tuple(range(1, x.dim())))
        return 0.5 * (weight * error).mean()


def batches(network):
    shape = (CHANNELS, SIDE, SIDE) if "features" in network else (DIM,)
    data = torch.randn(network["batch"] if "features" in network else POINTS, *shape)
    while True:
        order = torch.randperm(len(data))
        for k in range(len(data) // network["batch"]):
            yield data[order[k * network["batch"] : (k + 1) * network["batch"]]]


def denoiser_of(network):
    denoiser = UNet(network) if "features" in network else Vectors(network)
    found = sum(p.numel() for p in denoiser.parameters())
    if found != network["parameters"]:
        sys.exit(f"{network['name']}: {network['parameters']} parameters expected, {found} found")
    return denoiser


def arguments(network, rows):
    shape = (CHANNELS, SIDE, SIDE) if "features" in network else (DIM,)
    return torch.randn(rows, *shape), SCALE * torch.randn(rows)


# ---- ways: each makes a function that takes one training step or one forward pass ----


def stepper(network, jit, layout, adam):
    loss = Loss(denoiser_of(network).to(memory_format=layout))
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-4, **adam)
    source, call = batches(network), loss
    if jit:
        x = next(source)
        call = torch.jit.trace(loss, (x, torch.randn_like(x), torch.rand(len(x))))

    def step():
        x = next(source)
        x = x.contiguous(memory_format=layout) if x.dim() == 4 else x
        optimizer.zero_grad(set_to_none=True)
        call(x, torch.randn_like(x), torch.rand(len(x))).backward()
        optimizer.step()

    return step


def forwarder(network, rows, jit, layout):
    call = denoiser_of(network).to(memory_format=layout).eval()
    z, logsnr = arguments(network, rows)
    z = z.contiguous(memory_format=layout) if z.dim() == 4 else z
    if jit:
        call = torch.jit.freeze(torch.jit.trace(call, (z, logsnr)))

    def forward():
        with torch.no_grad():
            call(z, logsnr)

    return forward


ADAMS = {"plain": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


def ways(network, what):
    """Names, and what makes the function. A U-Net is not traced: that would take longer than it saves."""
    rows = 1 if what == "one" else network["rows"]
    if "features" in network:
        for name, layout in LAYOUTS.items():
            train = partial(stepper, network, False, layout, ADAMS["foreach"])
            yield name, train if what == "train" else partial(forwarder, network, rows, False, layout)
        return
    for kind in ("eager", "jit"):
        jit, layout = kind == "jit", torch.contiguous_format
        if what != "train":
            yield kind, partial(forwarder, network, rows, jit, layout)
            continue
        for name, adam in ADAMS.items():
            yield f"{kind}-{name}", partial(stepper, network, jit, layout, adam)


def rate(make, seconds):
    """Calls a second; None if this version of PyTorch has no such way."""
    try:
        call = make()
        call()  # a warm-up
    except (RuntimeError, TypeError, AssertionError):
        return None
    count, started = 0, time.perf_counter()
    while True:
        call()
        count += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return count / elapsed


def measure(network, what, o, earlier):
    """All ways with all threads and with one; of a U-Net one thread only the way that was faster with all."""
    images, best = "features" in network, (0, None)
    units = {"one": 1, "forward": network["rows"], "train": network["batch"] if images else 1}[what]
    unit = "images/s" if images else "steps/s" if what == "train" else "rows/s"
    for threads in sorted({1, o.threads}, reverse=True):
        torch.set_num_threads(threads)
        for way, make in ways(network, what):
            name = f"{what}_{network['name']}_t{threads}"
            slower = images and threads < o.threads and way != best[1]
            if slower or earlier.get(f"{what}_{network['name']}", (name, way)) != (name, way):
                continue
            calls = rate(make, o.seconds)
            if calls:
                best = max(best, (calls, way))
                print(f"torch name={name} way={way} value={calls * units:.6g} unit={unit}", flush=True)


def fastest(path):
    """The name and way of the fastest earlier line about each name, whatever its number of threads."""
    best = {}
    with open(path) as file:
        for line in filter(lambda line: line.startswith("torch "), file):
            field = dict(word.split("=", 1) for word in line.split()[1:])
            of = best.setdefault(field["name"].rsplit("_t", 1)[0], [])
            of.append((float(field["value"]), field["name"], field["way"]))
    return {name: max(lines)[1:] for name, lines in best.items()}


def export(network, folder):
    warnings.simplefilter("ignore")  # about shapes that a constant leaves open, and none is
    for what, rows in (("forward", network["rows"]), ("one", 1)):
        path = os.path.join(folder, f"{what}_{network['name']}.onnx")
        torch.onnx.export(denoiser_of(network).eval(), arguments(network, rows), path, opset_version=16)


def main():
    parser = argparse.ArgumentParser(description="Measures PyTorch on networks listed on standard input.")
    parser.add_argument("--threads", type=int, default=1, help="measured beside one thread")
    parser.add_argument("--seconds", type=float, default=0.2, help="for one measurement, at least")
    parser.add_argument("--earlier", help="file of earlier lines: of what is there, only the fastest way")
    parser.add_argument("--onnx", metavar="FOLDER", help="only write the forward passes there")
    o = parser.parse_args()
    torch.manual_seed(1)
    earlier = fastest(o.earlier) if o.earlier else {}
    for network in map(json.loads, sys.stdin):
        if o.onnx:
            export(network, o.onnx)
            continue
        for what in ("train", "forward", "one"):
            measure(network, what, o, earlier)


if __name__ == "__main__":
    main()
