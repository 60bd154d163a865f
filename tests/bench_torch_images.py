#!/usr/bin/env python3
"""The rival with images: the U-Nets of bench_images.c in PyTorch, eager, in both of its layouts of images.

    build/bench_images --list | python3 tests/bench_torch_images.py

For each network and layout two lines, with as many threads as --threads says (one alone would be slower):

    torch name=images_train_small_t2 way=channels-last value=... unit=images/s
    torch name=images_forward_small_t2 way=channels-last value=... unit=images/s

A training step draws noise and log SNRs for images in memory and runs forward, backward and Adam. It does not
draw stratified log SNRs, parameterize by a Gaussian, look up the step of a log SNR, check for what is not
finite or keep an average of the weights, as bench_images does.
"""
import argparse
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.dont_write_bytecode = True  # no folder beside the tests
from bench_torch import LOGSNR_SCALE, SCALE, Loss, frequencies, name_of, piece_rate, say

SIDE, CHANNELS = 32, 3
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


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
        self.norm = nn.GroupNorm(groups, n)
        self.q, self.k, self.v, self.out = (nn.Linear(n, n) for _ in range(4))

    def forward(self, h):
        t = self.norm(h).flatten(2).transpose(1, 2)
        scores = self.q(t) @ self.k(t).transpose(1, 2) / math.sqrt(t.shape[-1])
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
        a = logsnr.unsqueeze(-1) * self.of_logsnr
        time = self.time(torch.cat((a.sin(), a.cos()), -1))
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


def adam(parameters):
    try:
        return torch.optim.Adam(parameters, lr=1e-4, foreach=True)
    except TypeError:  # an earlier version
        return torch.optim.Adam(parameters, lr=1e-4)


def subject(network, layout):
    """Functions that take one training step and one forward pass."""
    denoiser = UNet(network).to(memory_format=layout)
    loss, optimizer = Loss(denoiser), adam(denoiser.parameters())
    x = torch.randn(network["batch"], CHANNELS, SIDE, SIDE).contiguous(memory_format=layout)
    logsnr = SCALE * torch.randn(len(x))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(x, torch.randn_like(x), torch.rand(len(x))).backward()
        optimizer.step()

    def forward():
        with torch.no_grad():
            denoiser(x, logsnr)

    return {"images_train": step, "images_forward": forward}


def read_networks():
    networks = []
    for line in sys.stdin:
        name, *numbers = line.strip().split(",")
        keys = ("batch", "blocks", "attention", "groups", "embedding", "hidden")
        networks.append({"name": name, **dict(zip(keys, map(int, numbers)))})
        networks[-1]["features"] = [int(n) for n in numbers[len(keys) :]]
    return networks


def fastest_ways(path):
    """The way of the fastest line of each name in a file of earlier lines."""
    best = {}
    with open(path) as file:
        for line in file:
            field = dict(part.split("=", 1) for part in line.split()[1:])
            best.setdefault(field["name"], []).append((float(field["value"]), field["way"]))
    return {name: max(lines)[1] for name, lines in best.items()}


def measure(network, threads, way, wanted, seconds):
    calls = subject(network, LAYOUTS[way])
    calls[wanted[0]]()  # a warm-up also for a forward pass after it, which is a part of a step
    for what in wanted:
        say(what, network, threads, way, network["batch"] * piece_rate(calls[what], seconds), "images/s")


def main():
    parser = argparse.ArgumentParser(description="Measures PyTorch on U-Nets listed on standard input.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.2, help="for one measurement, at least")
    parser.add_argument("--earlier", help="file of earlier lines: only the ways that were fastest there")
    o = parser.parse_args()
    fastest = fastest_ways(o.earlier) if o.earlier else {}
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    for network in read_networks():
        for way in LAYOUTS:
            whats = ("images_train", "images_forward")
            wanted = [what for what in whats if fastest.get(name_of(what, network, o.threads), way) == way]
            if wanted:
                measure(network, o.threads, way, wanted, o.seconds)


if __name__ == "__main__":
    main()
