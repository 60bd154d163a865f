"""tiny_ddpm.py FOLDER: a network with the names and the layout of google/ddpm-cifar10-32, 32 channels wide and
with random weights, as FOLDER/tiny.safetensors and, its names after "unet.", FOLDER/prefixed.safetensors; and
images in the format of CIFAR-10. The same bytes every time."""
import array
import json
import random
import struct
import sys

WIDE, LEVELS, BLOCKS, ATTENTIVE = 32, 4, 2, 1
shapes = {}


def layer(name, *shape):
    shapes[name + ".weight"], shapes[name + ".bias"] = list(shape), [shape[0]]


def resnet(name, n):
    layer(name + ".norm1", n), layer(name + ".conv1", WIDE, n, 3, 3)
    layer(name + ".time_emb_proj", WIDE, 4 * WIDE), layer(name + ".norm2", WIDE), layer(name + ".conv2", WIDE, WIDE, 3, 3)
    if n != WIDE:
        layer(name + ".conv_shortcut", WIDE, n, 1, 1)


def attention(name):
    layer(name + ".group_norm", WIDE)
    for part in "query", "key", "value", "proj_attn":
        layer(f"{name}.{part}", WIDE, WIDE)


layer("time_embedding.linear_1", 4 * WIDE, WIDE), layer("time_embedding.linear_2", 4 * WIDE, 4 * WIDE)
layer("conv_in", WIDE, 3, 3, 3)
for i in range(LEVELS):
    for j in range(BLOCKS):
        resnet(f"down_blocks.{i}.resnets.{j}", WIDE)
        if i == ATTENTIVE:
            attention(f"down_blocks.{i}.attentions.{j}")
    if i < LEVELS - 1:
        layer(f"down_blocks.{i}.downsamplers.0.conv", WIDE, WIDE, 3, 3)
resnet("mid_block.resnets.0", WIDE), attention("mid_block.attentions.0"), resnet("mid_block.resnets.1", WIDE)
for i in range(LEVELS):
    for j in range(BLOCKS + 1):
        resnet(f"up_blocks.{i}.resnets.{j}", 2 * WIDE)
        if i == LEVELS - 1 - ATTENTIVE:
            attention(f"up_blocks.{i}.attentions.{j}")
    if i < LEVELS - 1:
        layer(f"up_blocks.{i}.upsamplers.0.conv", WIDE, WIDE, 3, 3)
layer("conv_norm_out", WIDE), layer("conv_out", 3, WIDE, 3, 3)


def write(path, prefix):
    rng, header, data = random.Random(1), {}, array.array("f")
    for name in sorted(shapes):
        size, begin = 1, 4 * len(data)
        for k in shapes[name]:
            size *= k
        width = 0.4 if len(shapes[name]) == 2 else 0.08
        middle = name.endswith("weight") and "norm" in name
        data.extend(width * (2 * rng.random() - 1) + middle for _ in range(size))
        offsets = [begin, 4 * len(data)]
        header[prefix + name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": offsets}
    if sys.byteorder == "big":
        data.byteswap()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data.tobytes())


folder = sys.argv[1]
write(folder + "/tiny.safetensors", ""), write(folder + "/prefixed.safetensors", "unet.")
for name in "data_batch_1", "test_batch":
    with open(f"{folder}/{name}.bin", "wb") as file:  # smooth ones: a slope of each colour
        for i in range(4):
            pixels = [(c, y, x) for c in range(3) for y in range(32) for x in range(32)]
            file.write(bytes([i]) + bytes((i * 40 + c * 30 + 3 * y + 2 * x) % 256 for c, y, x in pixels))
