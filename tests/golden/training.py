"""Writes training.txt: random numbers, log SNRs and short trainings of the MLP, from docs/method.md and the papers it
names, in double precision by NumPy and PyTorch's automatic gradients, which share nothing with itdiff.h. Run it in its
own folder: python3 training.py

Lines: "philox COUNTER RESULT" (four words each, the key is 1 2), "below N VALUE", "uniform VALUE", "fill VALUE" of
seed 11, stream 5; "quantile U VALUE", "density A VALUE" of the schedule; "draw LOGSNR WEIGHT" of a stratified batch.
Of each training: "train NAME", a "step LOSS NORM" for each step, with the norm of the gradient before clipping,
"weight K VALUE" for some parameters, "predict K VALUE" for eps-hat by the moving average of the weights."""
import math
import numpy as np
import torch

MASK = 2**32 - 1
WEIGHTS, NOISE, LOGSNR, ORDER, DIRECTIONS = 1, 2, 3, 4, 12  # what a stream is for, in its top byte
LOC, SCALE, CLIP = 1.5, 2.5, 4.0


# ---- Philox4x32-10 (Salmon et al. 2011), and numbers of it ----


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & MASK, a >> 32 ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


class Stream:
    def __init__(self, seed, stream):
        self.seed, self.stream, self.counter = seed, stream, 0

    def block(self):
        n, s = self.counter, self.stream
        self.counter += 1
        return philox([n & MASK, n >> 32, s & MASK, s >> 32], [self.seed & MASK, self.seed >> 32])

    def bits(self):
        high, low, _, _ = self.block()
        return high << 32 | low

    def uniform(self):
        return ((self.bits() >> 11) + 0.5) / 2**53

    def normal(self):
        r = self.block()
        u, v = [((high << 32 | low) >> 11) + 0.5 for high, low in (r[:2], r[2:])]
        return math.sqrt(-2 * math.log(u / 2**53)) * math.cos(2 * math.pi * v / 2**53)

    def below(self, n):
        while True:
            draw = self.bits()
            if draw < 2**64 // n * n:
                return draw % n

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def fill(self, n):
        """Normals, four of a block: two radii and two angles, each from a word rounded to single precision."""
        out = []
        while len(out) < n:
            r = self.block()
            for k in (0, 2):
                u = float((np.float32(r[k]) + np.float32(0.5)) * np.float32(2.0**-32))
                signed = r[k + 1] - 2**32 if r[k + 1] >= 2**31 else r[k + 1]
                angle = float(np.float32(signed) * np.float32(math.pi / 2**31))
                radius = math.sqrt(-2 * math.log(u))
                out += [radius * math.cos(angle), radius * math.sin(angle)]
        return np.array(out[:n]).astype(np.float32)


def stream(seed, purpose, index):
    return Stream(seed, purpose << 56 ^ index)


# ---- the schedule: a logistic law of the log SNR, cut off at CLIP scales from its centre ----


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, dtype=np.float64)))


def quantile(u):
    p = sigmoid(-CLIP) + (sigmoid(CLIP) - sigmoid(-CLIP)) * u
    return LOC + SCALE * math.log(p / (1 - p))


def density(a):
    t = (a - LOC) / SCALE
    return float(sigmoid(t) * sigmoid(-t) / SCALE / (sigmoid(CLIP) - sigmoid(-CLIP)))


def batch_of_logsnr(rng, n):
    logsnr = [np.float32(quantile((i + rng.uniform()) / n)) for i in range(n)]
    rng.shuffle(logsnr)
    return logsnr, [np.float32(1 / density(float(a))) for a in logsnr]


# ---- the network and its training ----


def case(name, **changes):
    c = dict(name=name, layers=3, hidden=16, embedding=8, coordinate_scale=2, logsnr_scale=0.5, activation="silu",
             directions=0, frequency_min=0.5, frequency_max=4, whiten=False,
             zero_output=True, parameterization="gaussian", normalize=True, rate=0.01, warmup=5, steps=30, final=0.1,
             beta1=0.9, beta2=0.99, epsilon=1e-6, decay=0, clip=0, limit=0, ema=0.9, seed=3)
    c.update(changes)
    return c


CASES = [case("usual"),
         case("all_options", activation="relu", layers=4, hidden=11, embedding=6, decay=0.05, clip=3.0, limit=1.5,
              seed=2**40 + 7),
         case("plain", embedding=0, zero_output=False, parameterization="plain", normalize=False, warmup=0, steps=0),
         case("directions", directions=10, whiten=True)]
ROWS, BATCH, STEPS, DIM = 50, 16, 30, 2


def data():
    x = Stream(5, 0).fill(ROWS * DIM).reshape(ROWS, DIM).astype(np.float64)
    x[:, 1] = x[:, 0] ** 2 / 2 - x[:, 1] / 4
    return (x + [3, -1]).astype(np.float32)


def make_network(c):
    """Each layer's weight (in, out) and bias, uniform within 1 / sqrt(in), drawn in the order of the layers."""
    rng, tensors = stream(c["seed"], WEIGHTS, 0), []
    first = (DIM + 1) * c["embedding"] if c["embedding"] else DIM + 1
    if c["directions"]:
        first = 2 * c["directions"] + c["embedding"]
    sizes = [first] + [c["hidden"]] * (c["layers"] - 1) + [DIM]
    for k, (n, m) in enumerate(zip(sizes, sizes[1:])):
        drawn = np.zeros(n * m + m)
        if not (c["zero_output"] and k == c["layers"] - 1):
            drawn = np.float64(np.float32([(2 * rng.uniform() - 1) / math.sqrt(n) for _ in drawn]))
        tensors += [torch.tensor(drawn[: n * m].reshape(n, m)), torch.tensor(drawn[n * m :])]
    for t in tensors:
        t.requires_grad_()
    return tensors


def embed(x, size, scale):
    half = size // 2
    frequency = torch.tensor([scale * 10000 ** (-k / (half - 1)) for k in range(half)])
    angle = x[:, :, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=2).flatten(1)


def waves(c, z, logsnr):
    """sin(w.z), cos(w.z), each times what the noise leaves of it; |w| in equal ratios between the two bounds."""
    rng, m = stream(0, DIRECTIONS, 0), c["directions"]
    g = np.array([[rng.normal() for _ in range(DIM)] for _ in range(m)])
    at = (np.arange(m) + 0.5) / m
    length = c["frequency_min"] * (c["frequency_max"] / c["frequency_min"]) ** at
    w = np.float32(length[:, None] * g / np.linalg.norm(g, axis=1, keepdims=True)).astype(np.float64)
    phase = z @ torch.tensor(w.T)
    left = torch.exp(-torch.sigmoid(-logsnr)[:, None] * torch.tensor(length**2) / 2)
    return torch.cat([left * phase.sin(), left * phase.cos()], dim=1)


def denoise(c, tensors, z, logsnr):
    a = logsnr[:, None]
    shrink, skip, gain = torch.ones_like(a), torch.zeros_like(a), torch.ones_like(a)
    if c["parameterization"] == "gaussian":  # for data of variance one, s + r = 1
        skip, gain = torch.sigmoid(-a).sqrt(), torch.sigmoid(a).sqrt()
    h = shrink * z
    if c["directions"]:
        h = torch.cat([waves(c, h, logsnr), embed(a, c["embedding"], c["logsnr_scale"])], dim=1)
    elif c["embedding"]:
        parts = embed(h, c["embedding"], c["coordinate_scale"]), embed(a, c["embedding"], c["logsnr_scale"])
        h = torch.cat(parts, dim=1)
    else:
        h = torch.cat([h, a], dim=1)
    for k in range(c["layers"]):
        h = h @ tensors[2 * k] + tensors[2 * k + 1]
        if k + 1 < c["layers"]:
            h = torch.relu(h) if c["activation"] == "relu" else h * torch.sigmoid(h)
    return skip * z + gain * h


def learning_rate(c, step):
    if step < c["warmup"]:
        return c["rate"] * (step + 1) / c["warmup"]
    if c["steps"] <= c["warmup"]:
        return c["rate"]
    t = min(1, (step - c["warmup"]) / (c["steps"] - c["warmup"]))
    return c["rate"] * (c["final"] + (1 - c["final"]) * (1 + math.cos(math.pi * t)) / 2)


def shrinkage(x):
    """rho by which (1 - rho) S + rho I of four parts of five foretells the fifth best."""
    def foretold(rho):
        nll = 0
        for part in range(5):
            this = np.arange(len(x)) % 5 == part
            mean, scale = x[~this].mean(0), x[~this].std(0)
            p = (1 - rho) * np.corrcoef(x[~this].T) + rho * np.eye(DIM)
            y = (x[this] - mean) / scale
            nll += (len(y) * np.linalg.slogdet(p)[1] + np.sum(y * np.linalg.solve(p, y.T).T)) / 2
        return nll
    return min([0] + [10 ** (k / 4 - 5) for k in range(21)], key=foretold)


def whitening(x):
    """W = P^-1/2 D^-1 and log |det W^-1|."""
    rho, scale = shrinkage(x), x.std(0)
    values, vectors = np.linalg.eigh((1 - rho) * np.corrcoef(x.T) + rho * np.eye(DIM))
    return vectors / np.sqrt(values) @ vectors.T / scale, np.log(values).sum() / 2 + np.log(scale).sum()


def train(c, out):
    x = data().astype(np.float64)
    mean, scale = (x.mean(0), x.std(0)) if c["normalize"] else (np.zeros(DIM), np.ones(DIM))
    to_coordinates, log_det = whitening(x) if c["whiten"] else (np.diag(1 / scale), np.log(scale).sum())
    tensors = make_network(c)
    first, second = [torch.zeros_like(t) for t in tensors], [torch.zeros_like(t) for t in tensors]
    average = [t.detach().clone() for t in tensors]
    orders = {}
    for step in range(STEPS):
        rows = []
        for at in range(step * BATCH, (step + 1) * BATCH):
            if at // ROWS not in orders:
                orders[at // ROWS] = list(range(ROWS))
                stream(c["seed"], ORDER, at // ROWS).shuffle(orders[at // ROWS])
            rows.append(orders[at // ROWS][at % ROWS])
        clean = torch.tensor((x[rows] - mean) @ to_coordinates.T)
        eps = torch.tensor(stream(c["seed"], NOISE, step).fill(BATCH * DIM).astype(np.float64).reshape(BATCH, DIM))
        logsnr, w = batch_of_logsnr(stream(c["seed"], LOGSNR, step), BATCH)
        logsnr, w = torch.tensor(np.array(logsnr, dtype=np.float64)), torch.tensor(np.array(w, dtype=np.float64))
        s, r = torch.sigmoid(logsnr), torch.sigmoid(-logsnr)
        z = s.sqrt()[:, None] * clean + r.sqrt()[:, None] * eps
        error = ((denoise(c, tensors, z, logsnr) - eps) ** 2).sum(1)
        loss = DIM / 2 * math.log(2 * math.pi * math.e) + log_det + (w * (error - DIM * s)).mean() / 2
        limited = w.clamp(max=c["limit"] / density(LOC)) if c["limit"] else w
        gradients = torch.autograd.grad((limited * error).mean() / 2, tensors)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        out.append(f"step {float(loss):.9g} {norm:.9g}")
        clip = c["clip"] / norm if c["clip"] and norm > c["clip"] else 1
        lr, t = learning_rate(c, step), step + 1
        keep = min(c["ema"], (1 + t) / (10 + t))
        with torch.no_grad():
            for k, g in enumerate(gradients):
                first[k] = c["beta1"] * first[k] + (1 - c["beta1"]) * clip * g
                second[k] = c["beta2"] * second[k] + (1 - c["beta2"]) * (clip * g) ** 2
                root = (second[k] / (1 - c["beta2"] ** t)).sqrt()
                tensors[k] -= lr * (first[k] / (1 - c["beta1"] ** t) / (root + c["epsilon"]) + c["decay"] * tensors[k])
                average[k] = keep * average[k] + (1 - keep) * tensors[k]
    parameters = torch.cat([t.detach().flatten() for t in tensors])
    out += [f"weight {k} {float(parameters[k]):.9g}" for k in range(0, len(parameters), 7)]
    probe = Stream(6, 0).fill(3 * 5)
    z, a = torch.tensor(probe[:10].astype(np.float64).reshape(5, DIM)), torch.tensor(3 * probe[10:].astype(np.float64))
    with torch.no_grad():
        predicted = denoise(c, average, z, a).flatten()
    out += [f"predict {k} {float(v):.9g}" for k, v in enumerate(predicted)]


lines = []
for counter in ([0, 0, 0, 0], [MASK] * 4, [1, 2, 3, 4], [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]):
    lines.append("philox " + " ".join(str(v) for v in counter + philox(counter, [1, 2])))
rng = Stream(11, 5)
lines += [f"below {n} {rng.below(n)}" for n in (1, 2, 10, 2**33 + 1, 2**63 + 2, 2**63 + 2, 2**63 + 2, 2**63 + 2)]
lines += [f"uniform {rng.uniform():.17g}" for _ in range(4)]
lines += [f"fill {v:.9g}" for v in rng.fill(135)]
lines += [f"quantile {u} {quantile(u):.16g}" for u in (0, 1e-6, 0.1, 0.5, 0.75, 0.999, 1)]
lines += [f"density {a} {density(a):.16g}" for a in (-8.5, -2, 0, 1.5, 4, 11)]
lines += [f"draw {a:.9g} {w:.9g}" for a, w in zip(*batch_of_logsnr(Stream(11, 6), 8))]
for c in CASES:
    lines.append("train " + c["name"])
    train(c, lines)
with open("training.txt", "w") as file:
    file.write("\n".join(lines) + "\n")
