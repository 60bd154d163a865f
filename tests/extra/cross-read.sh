#!/bin/sh
# Checkpoints as others read them, where python3 has NumPy or PyTorch.
cd "$(dirname "$0")/../.." || exit 1
. tests/shell.sh
CC=${CC:-cc}
out=build/cross-read.$$
mkdir -p "$out"
trap 'rm -rf "$out"' EXIT
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
small=data/cifar10-small.safetensors

python_with() { # module: the first python3 that has it
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2> /dev/null && return
    done
    skip "no python3 with $1"
    return 1
}

# $CC may be two words
$CC -O1 -DITD_NO_SIMD tests/extra/carry.c -o "$out/carry" -lm &&
    "$out/carry" make "$out/plane.safetensors" > /dev/null &&
    "$out/carry" wide $small "$out/wide.safetensors" &&
    "$out/carry" denoise "$out/plane.safetensors" > "$out/rows"
check_that "checkpoints to read are there" [ -s "$out/rows" ]

if python_with numpy; then
    check_that "NumPy widens half precision to the same bits" "$python" -c "
import sys
sys.path.insert(0, 'docs')
import numpy, read_checkpoint_numpy as reader
half, metadata = reader.read('$small')
wide, _ = reader.read('$out/wide.safetensors')
weights = [name for name in half if half[name].dtype == 'float16']
assert metadata['format'] == 'itdiff' and half.keys() == wide.keys()
assert sum(half[name].size for name in weights) == 2638339  # what itdiff.h says the network has
for name in half:
    assert numpy.array_equal(half[name].astype(wide[name].dtype), wide[name]), name"
    check_that "read_checkpoint_numpy.py tells what is there" sh -c "
        $python docs/read_checkpoint_numpy.py $small |
        grep -q '^conv_in.weight  *float16 (64, 3, 3, 3)  rms 0\.[0-9]*\$'"
fi

if python_with torch; then
    check_that "PyTorch denoises as the program does" "$python" -c "
import sys
sys.path.insert(0, 'docs')
import torch, read_checkpoint_torch as reader
rows = torch.tensor([[float(x) for x in line.split()] for line in open('$out/rows')])
found = reader.denoise(*reader.read('$out/plane.safetensors'), rows[:, 1:3], rows[:, :1])
assert len(rows) == 20 and (found - rows[:, 3:]).abs().max() < 2e-6, (found - rows[:, 3:]).abs().max()"
    check_that "read_checkpoint_torch.py tells what is there" sh -c "
        $python docs/read_checkpoint_torch.py $out/plane.safetensors |
        grep -q '^layers.2.weight  *torch.float32 (2, 24)'"
fi

if python_with sklearn; then
    check_that "rivals.py sums kernels and Gaussians as they are written" "$python" -c "
import sys
sys.path.insert(0, 'docs')
import numpy as np, rivals
x = np.random.default_rng(0).standard_normal((60, 3))
kernel = lambda q, row: np.prod(np.exp(-((q - row) / 0.4) ** 2 / 2) / np.sqrt(2 * np.pi) / 0.4)
naive = [-np.log(sum(kernel(q, row) for row in x[:50]) / 50) for q in x[50:]]
assert np.abs(rivals.kernels(x[:50], x[50:], 0.4) - naive).max() < 1e-12
assert abs(rivals.kernels(x[:50], np.full((1, 3), 1e6), 0.4) / (3e12 / 0.32) - 1) < 1e-5  # far away
naive = ((x - 1) / [1, 2, 3]) ** 2 / 2 + np.log([1, 2, 3]) + np.log(2 * np.pi) / 2
assert np.abs(rivals.gaussian_nll(x, np.ones(3), np.diag([1, 4, 9])) - naive.sum(1)).max() < 1e-12
part = rivals.parts_of(np.repeat(x, 3, axis=0)).reshape(60, 3)
assert (part == part[:, :1]).all() and set(part.ravel()) == set(range(5))
np.savetxt('$out/train.csv', x[:50], delimiter=',')
np.savetxt('$out/test.csv', np.hstack([x[50:], (x[50:] ** 2).sum(1, keepdims=True) / 2]), delimiter=',')"
    check_that "rivals.py reports all of them" sh -c "
        $python docs/rivals.py --truth $out/train.csv $out/test.csv |
        grep -c '^[a-z_]*  *-*[0-9.]* ± [0-9.]*  *excess  *-*[0-9.]* ± [0-9.]*  ' | grep -qx 5"
    check_that "rivals.py names its fields" sh -c "
        { $python docs/rivals.py --tsv-names
          $python docs/rivals.py --truth --tsv $out/train.csv $out/test.csv; } |
        awk -F '\t' '{ fields[NR] = NF } END { exit fields[1] != 19 || fields[2] != 19 }'"
fi
report
