"""Writes unet_ddpm.txt: what the network of google/ddpm-cifar10-32 makes of weights from a formula, in double
precision by PyTorch, which shares nothing with itdiff.h. Run it in its own folder: python3 unet_ddpm.py

Lines: "out K VALUE" for some elements of the output (NHWC), "norm NAME VALUE SIGNED" for the gradient of each
tensor and of the input: its L2 norm, and the sum of its elements with signs from the formula."""
import math
import numpy as np
import torch
import torch.nn.functional as F

GROUPS, EPSILON, BLOCKS = 32, 1e-6, 2
FEATURES = [128, 256, 256, 256]
LOGSNR = np.array([3.0, -1.5])


def formula(stream, n):
    """n numbers of [-1, 1), exact in float32: a multiplicative hash of (stream, k)."""
    k = np.arange(n, dtype=np.uint64)
    h = (k * 2654435761 + stream * 2246822519) & 0xFFFFFFFF
    for _ in range(2):
        h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return ((h >> 9).astype(np.float64) / 2**22 - 1).astype(np.float32)


shapes = {}


def linear(name, n, m):
    shapes[name + ".weight"], shapes[name + ".bias"] = (m, n), (m,)


def conv(name, n, m):
    shapes[name + ".weight"], shapes[name + ".bias"] = (m, n, 3, 3), (m,)


def norm(name, n):
    shapes[name + ".weight"], shapes[name + ".bias"] = (n,), (n,)


def resnet(name, n, m):
    norm(name + ".norm1", n), conv(name + ".conv1", n, m), linear(name + ".time_emb_proj", 512, m)
    norm(name + ".norm2", m), conv(name + ".conv2", m, m)
    if n != m:
        linear(name + ".conv_shortcut", n, m)


def attention(name, n):
    norm(name + ".group_norm", n)
    for part in ("to_q", "to_k", "to_v", "to_out.0"):
        linear(f"{name}.{part}", n, n)


linear("time_embedding.linear_1", 128, 512), linear("time_embedding.linear_2", 512, 512)
conv("conv_in", 3, 128)
stack, n = [128], 128
for i, m in enumerate(FEATURES):
    for j in range(BLOCKS):
        resnet(f"down_blocks.{i}.resnets.{j}", n, m)
        if i == 1:
            attention(f"down_blocks.{i}.attentions.{j}", m)
        n = m
        stack.append(n)
    if i < 3:
        conv(f"down_blocks.{i}.downsamplers.0.conv", n, n)
        stack.append(n)
resnet("mid_block.resnets.0", n, n), attention("mid_block.attentions.0", n), resnet("mid_block.resnets.1", n, n)
for i, m in enumerate(reversed(FEATURES)):
    for j in range(BLOCKS + 1):
        resnet(f"up_blocks.{i}.resnets.{j}", n + stack.pop(), m)
        if i == 2:
            attention(f"up_blocks.{i}.attentions.{j}", m)
        n = m
    if i < 3:
        conv(f"up_blocks.{i}.upsamplers.0.conv", n, n)
norm("conv_norm_out", n), conv("conv_out", n, 3)

weights = {}
for stream, name in enumerate(sorted(shapes)):
    shape = shapes[name]
    x = formula(stream, math.prod(shape)).reshape(shape)
    if "norm" in name:  # around 1 and 0
        x = x * np.float32(0.25) + np.float32(name.endswith("weight"))
    elif name.startswith("conv_in"):  # variances as small as epsilon
        x = x * np.float32(2**-11)
    else:
        x = x * np.float32(2**-4)
    weights[name] = torch.tensor(x, dtype=torch.float64, requires_grad=True)
z = torch.tensor(formula(1000, 2 * 3072).reshape(2, 32, 32, 3) * 2, dtype=torch.float64, requires_grad=True)
dout = torch.tensor(formula(1001, 2 * 3072).reshape(2, 32, 32, 3), dtype=torch.float64)


def run_linear(x, name):
    return F.linear(x, weights[name + ".weight"], weights[name + ".bias"])


def run_conv(x, name, halve=False):
    x = F.pad(x, (0, 1, 0, 1)) if halve else F.pad(x, (1, 1, 1, 1))
    return F.conv2d(x, weights[name + ".weight"], weights[name + ".bias"], stride=2 if halve else 1)


def run_norm(x, name):
    return F.group_norm(x, GROUPS, weights[name + ".weight"], weights[name + ".bias"], EPSILON)


def run_resnet(x, name):
    h = run_conv(F.silu(run_norm(x, name + ".norm1")), name + ".conv1")
    h = h + run_linear(time, name + ".time_emb_proj")[:, :, None, None]
    h = run_conv(F.silu(run_norm(h, name + ".norm2")), name + ".conv2")
    if name + ".conv_shortcut.weight" in weights:
        x = run_linear(x.permute(0, 2, 3, 1), name + ".conv_shortcut").permute(0, 3, 1, 2)
    return x + h


def run_attention(x, name):
    b, c, h, w = x.shape
    t = run_norm(x, name + ".group_norm").reshape(b, c, h * w).transpose(1, 2)
    q, k, v = (run_linear(t, f"{name}.{part}") for part in ("to_q", "to_k", "to_v"))
    t = run_linear(torch.softmax(q @ k.transpose(1, 2) / math.sqrt(c), -1) @ v, name + ".to_out.0")
    return t.transpose(1, 2).reshape(b, c, h, w) + x


# the step, interpolated in log SNR; the sinusoids' arguments in float32 as the published network has them
product = np.cumprod(1 - np.linspace(1e-4, 2e-2, 1000))
step = np.interp(-LOGSNR, -np.log(product / (1 - product)), np.arange(1000.0)).astype(np.float32)
frequency = np.exp(-np.arange(64) * math.log(10000) / 63).astype(np.float32)
argument = torch.tensor((step[:, None] * frequency[None]).astype(np.float64))
time = torch.cat([torch.sin(argument), torch.cos(argument)], 1)
time = F.silu(run_linear(F.silu(run_linear(time, "time_embedding.linear_1")), "time_embedding.linear_2"))

x = run_conv(z.permute(0, 3, 1, 2), "conv_in")
stack = [x]
for i in range(4):
    for j in range(BLOCKS):
        x = run_resnet(x, f"down_blocks.{i}.resnets.{j}")
        if i == 1:
            x = run_attention(x, f"down_blocks.{i}.attentions.{j}")
        stack.append(x)
    if i < 3:
        x = run_conv(x, f"down_blocks.{i}.downsamplers.0.conv", halve=True)
        stack.append(x)
x = run_resnet(x, "mid_block.resnets.0")
x = run_resnet(run_attention(x, "mid_block.attentions.0"), "mid_block.resnets.1")
for i in range(4):
    for j in range(BLOCKS + 1):
        x = run_resnet(torch.cat([x, stack.pop()], 1), f"up_blocks.{i}.resnets.{j}")
        if i == 2:
            x = run_attention(x, f"up_blocks.{i}.attentions.{j}")
    if i < 3:
        x = run_conv(F.interpolate(x, scale_factor=2.0, mode="nearest"), f"up_blocks.{i}.upsamplers.0.conv")
x = run_conv(F.silu(run_norm(x, "conv_norm_out")), "conv_out").permute(0, 2, 3, 1)
(x * dout).sum().backward()

with open("unet_ddpm.txt", "w") as file:
    out = x.detach().reshape(-1)
    for k in range(0, out.numel(), 97):
        file.write(f"out {k} {out[k]:.9g}\n")
    weights["dz"] = z
    for name in sorted(weights):
        g = weights[name].grad.reshape(-1).numpy()
        signs = np.where(formula(2000, g.size) < 0, -1.0, 1.0)
        file.write(f"norm {name} {np.linalg.norm(g):.9g} {signs @ g:.9g}\n")
