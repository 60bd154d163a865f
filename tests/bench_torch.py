#!/usr/bin/env python3
"""The rival in training: the networks of bench_train.c in PyTorch, as fast as its usual means make them.

    build/bench_train --list | python3 tests/bench_torch.py

For each network, thread count and way of doing it, one line:

    torch name=train_dino_t2 way=eager-foreach value=... unit=steps/s

A training step draws a batch from tensors in memory, noise and log SNRs, runs forward, backward and Adam.
It does not draw stratified log SNRs, parameterize by a Gaussian, limit weights, check for what is not finite
or keep an average of the weights, all of which bench_train does for the dino.
"""
import argparse
import math
import statistics
import sys
import time

import torch
from torch import nn

DIM, POINTS, ROWS = 2, 8000, 1600
LOC, SCALE, CLIP = 0.0, 3.0, 4.0  # of the schedule: neither these nor the frequencies change the time
COORDINATE_SCALE, LOGSNR_SCALE = 100.0, 50.0


def frequencies(size, scale):
    half = size // 2
    return scale * torch.exp(-torch.arange(half) * math.log(10000.0) / (half - 1))


class Denoiser(nn.Module):
    def __init__(self, layers, hidden, embedding, activation):
        super().__init__()
        self.register_buffer("of_z", frequencies(embedding, COORDINATE_SCALE))
        self.register_buffer("of_logsnr", frequencies(embedding, LOGSNR_SCALE))
        widths = [(DIM + 1) * embedding] + [hidden] * (layers - 1) + [DIM]
        rows = []
        for k in range(layers):
            rows.append(nn.Linear(widths[k], widths[k + 1]))
            if k + 1 < layers:
                rows.append(nn.ReLU() if activation == "relu" else nn.SiLU())
        self.net = nn.Sequential(*rows)

    def forward(self, z, logsnr):
        a = z.unsqueeze(-1) * self.of_z
        b = logsnr.unsqueeze(-1) * self.of_logsnr
        a = torch.cat((a.sin(), a.cos()), -1).flatten(1)
        return self.net(torch.cat((a, b.sin(), b.cos()), -1))


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


def batches(data, batch):
    while True:
        order = torch.randperm(len(data))
        for k in range(len(data) // batch):
            yield data[order[k * batch : (k + 1) * batch]]


def stepper(network, jit, adam):
    """A function that takes one training step."""
    loss = Loss(Denoiser(*network["shape"]))
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3, **adam)
    source = batches(torch.randn(POINTS, DIM), network["batch"])
    call = loss
    if jit:
        x = next(source)
        call = torch.jit.trace(loss, (x, torch.randn_like(x), torch.rand(len(x))))

    def step():
        x = next(source)
        optimizer.zero_grad(set_to_none=True)
        call(x, torch.randn_like(x), torch.rand(len(x))).backward()
        optimizer.step()

    step()  # what this version of PyTorch does not have fails here
    return step


def evaluator(network, jit):
    """A function that evaluates the denoiser on ROWS rows."""
    denoiser = Denoiser(*network["shape"]).eval()
    z, logsnr = torch.randn(ROWS, DIM), SCALE * torch.randn(ROWS)
    call = torch.jit.freeze(torch.jit.trace(denoiser, (z, logsnr))) if jit else denoiser

    def evaluate():
        with torch.no_grad():
            call(z, logsnr)

    evaluate()
    return evaluate


def piece_rate(call, seconds):
    """Calls a second, over at least so many seconds."""
    count, started = 0, time.perf_counter()
    while True:
        call()
        count += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return count / elapsed


def rate(call, seconds):
    """Calls a second: the median over eight pieces, after a warm-up as long as one."""
    return statistics.median([piece_rate(call, seconds / 9) for _ in range(9)][1:])


def ways():
    """Ways to train: traced or not, and the implementations of Adam that versions of PyTorch have."""
    for jit in (False, True):
        for adam in ("plain", "foreach", "fused"):
            options = {"foreach": False} if adam == "plain" else {adam: True}
            yield ("jit-" if jit else "eager-") + adam, jit, options


def read_networks():
    networks = []
    for line in sys.stdin:
        name, batch, layers, hidden, embedding, activation = line.strip().split(",")
        shape = (int(layers), int(hidden), int(embedding), activation)
        networks.append({"name": name, "batch": int(batch), "shape": shape})
    return networks


def name_of(what, network, threads):
    return f"{what}_{network['name']}_t{threads}"


def say(what, network, threads, way, value, unit):
    name = name_of(what, network, threads)
    print(f"torch name={name} way={way} value={value:.6g} unit={unit}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measures PyTorch on networks listed on standard input.")
    parser.add_argument("--threads", type=int, default=1, help="measured beside one thread")
    parser.add_argument("--seconds", type=float, default=0.5, help="for one measurement")
    o = parser.parse_args()
    torch.manual_seed(1)
    for network in read_networks():
        for threads in sorted({1, o.threads}):
            torch.set_num_threads(threads)
            for way, jit, adam in ways():
                try:
                    step = stepper(network, jit, adam)
                except (RuntimeError, TypeError, AssertionError):
                    continue
                say("train", network, threads, way, rate(step, o.seconds), "steps/s")
            for jit in (False, True):
                value = ROWS * rate(evaluator(network, jit), o.seconds)
                say("evaluate", network, threads, "jit" if jit else "eager", value, "evaluations/s")


if __name__ == "__main__":
    main()
