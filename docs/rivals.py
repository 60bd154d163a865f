#!/usr/bin/env python3
"""What else could be fitted: Gaussians, kernel density estimates, and mixtures of Gaussians by scikit-learn.

  python3 docs/rivals.py TRAIN.csv TEST.csv            mean -log p of the test rows, nats
  python3 docs/rivals.py --truth TRAIN.csv TEST.csv    also the excess over the true one, last column of TEST

Options: --sizes K,...    mixtures of so many components, besides powers of two
         --tsv            one line of tab-separated fields, as in docs/rivals.tsv; --tsv-names: what they are

Everything is fitted to standardized columns and reported in the units of the files. Training rows alone
decide what is chosen: bandwidths and coordinates by cross-validation, mixtures by BIC."""
import argparse

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture

PARTS = 5
RIVALS = ["gaussian", "gaussian_lw", "kde", "kde_other", "gmm"]
FIELDS = (["rows", "columns", "truth", "gaussian", "gaussian_lw", "kde", "kde_kind", "gmm", "gmm_components"]
          + [f"excess_{name}" for name in RIVALS] + [f"stderr_{name}" for name in RIVALS])


def gaussian_nll(x, mean, covariance):
    """-log N(x; mean, covariance) of each row."""
    factor = np.linalg.cholesky(covariance)
    y = np.linalg.solve(factor, (x - mean).T)
    return 0.5 * (y**2).sum(0) + np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)


def gaussian(train, test, covariance):
    try:
        return gaussian_nll(test, train.mean(0), covariance)
    except np.linalg.LinAlgError:  # as with fewer rows than columns
        return np.full(len(test), np.nan)


def covariance_of(x):
    return np.cov(x.T, bias=True).reshape(2 * x.shape[1:])


def kernels(train, test, bandwidth):
    """-log p of each test row under Gaussians on all training rows. Not by KernelDensity of scikit-learn 1.2:
    with its trees a row far from all others is off by tens of nats, even with tolerances of zero."""
    count, dim = train.shape
    nll = np.empty(len(test))
    for at in range(0, len(test), 1000):
        square = cdist(test[at:at + 1000], train, "sqeuclidean") / (2 * bandwidth**2)
        nearest = square.min(1)
        nll[at:at + 1000] = nearest - np.log(np.exp(np.maximum(nearest[:, None] - square, -700)).sum(1))
    return nll + np.log(count) + dim * np.log(bandwidth * np.sqrt(2 * np.pi))


def parts_of(train):
    """A part for each row. Copies are in the same one: elsewhere they would ask for tiny bandwidths."""
    distinct, which = np.unique(train, axis=0, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(distinct))
    return order[which.ravel()] % PARTS


def validated(train, part, bandwidth):
    """Mean -log p of the rows of each part under those of the others."""
    nll = [kernels(train[part != k], train[part == k], bandwidth) for k in range(PARTS)]
    return np.concatenate(nll).mean()


def find_bandwidth(train, part):
    """The best of a coarse grid, then of a fine one around it; with its mean -log p."""
    score, best = min((validated(train, part, h), h) for h in 2.0 ** np.arange(-10, 2))
    return min((validated(train, part, h), h) for h in best * 2.0 ** np.linspace(-0.875, 0.875, 15))


def kde(train, test):
    """On standardized columns and on whitened rows, the better in cross-validation first."""
    part = parts_of(train)
    lambdas, vectors = np.linalg.eigh(covariance_of(train))
    if lambdas[0] <= 1e-10 * lambdas[-1]:
        lambdas, vectors = np.linalg.eigh(LedoitWolf().fit(train).covariance_)
    found = []
    for kind, to in (("standardized", np.eye(train.shape[1])), ("whitened", vectors / np.sqrt(lambdas))):
        volume = -np.linalg.slogdet(to)[1]
        score, bandwidth = find_bandwidth(train @ to, part)
        found.append((score + volume, kind, bandwidth, kernels(train @ to, test @ to, bandwidth) + volume))
    return sorted(found, key=lambda fit: fit[0])


def mixture(train, test, sizes):
    """The mixture with the smallest BIC, covariances in full: of 1, 2, 4, ... components, until BIC has risen
    twice in a row or a component would have fewer than 2 (dim + 1) rows, and of the sizes given."""
    def fitted(size):
        fit = GaussianMixture(size, n_init=3, max_iter=500, random_state=0).fit(train)
        return fit.bic(train), size, fit

    fits, rises, size = [fitted(1)], 0, 2
    while rises < 2 and size * 2 * (train.shape[1] + 1) <= len(train):
        fits.append(fitted(size))
        rises = rises + 1 if fits[-1][0] > fits[-2][0] else 0
        size *= 2
    fits += [fitted(size) for size in sizes]
    _, size, best = min(fits, key=lambda fit: fit[:2])
    return size, -best.score_samples(test)


def rivals(train, test, sizes):
    """-log p of the test rows by name, and what has been chosen."""
    mean, scale = train.mean(0), train.std(0)
    scale = np.where(scale > 0, scale, 1)
    train, test, volume = (train - mean) / scale, (test - mean) / scale, np.log(scale).sum()
    nll = {"gaussian": gaussian(train, test, covariance_of(train)),
           "gaussian_lw": gaussian(train, test, LedoitWolf().fit(train).covariance_)}
    notes = {"gaussian": "full covariance", "gaussian_lw": "covariance by Ledoit and Wolf"}
    for name, (_, kind, bandwidth, value) in reversed([*zip(("kde", "kde_other"), kde(train, test))]):
        nll[name], notes[name] = value, f"{kind}, bandwidth {bandwidth:.4f}"
    components, nll["gmm"] = mixture(train, test, sizes)
    notes["gmm"] = f"{components} component{'s' if components > 1 else ''}"
    return {name: value + volume for name, value in nll.items()}, notes, kind, components


def stderr(values):
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


def read(path):
    return np.loadtxt(path, delimiter=",", ndmin=2)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("train", nargs="?")
    parser.add_argument("test", nargs="?")
    parser.add_argument("--truth", action="store_true", help="the last column of TEST.csv is the true -log p")
    parser.add_argument("--sizes", default="", help="more numbers of components, with commas between them")
    parser.add_argument("--tsv", action="store_true", help="one line of tab-separated fields")
    parser.add_argument("--tsv-names", action="store_true", help="the names of these fields")
    options = parser.parse_args()
    if options.tsv_names:
        print("\t".join(FIELDS))
        return
    if not options.test:
        parser.error("expected TRAIN.csv and TEST.csv")
    train, test = read(options.train), read(options.test)
    truth = test[:, -1] if options.truth else np.zeros(len(test))
    test = test[:, :-1] if options.truth else test
    if train.shape[1] != test.shape[1]:
        parser.error(f"{options.test}: expected {train.shape[1]} columns, found {test.shape[1]}")
    nll, notes, kind, components = rivals(train, test, [int(k) for k in options.sizes.split(",") if k])
    if options.tsv:
        row = {name: f"{nll[name].mean():.4f}" for name in RIVALS}
        row.update(rows=len(train), columns=train.shape[1], kde_kind=kind, gmm_components=components,
                   truth=f"{truth.mean():.4f}" if options.truth else "nan")
        for name in RIVALS:
            row[f"excess_{name}"] = f"{(nll[name] - truth).mean():.4f}" if options.truth else "nan"
            row[f"stderr_{name}"] = f"{stderr(nll[name] - truth):.4f}"
        print("\t".join(str(row[name]) for name in FIELDS))
        return
    for name in RIVALS:
        excess = f"   excess {(nll[name] - truth).mean():7.4f} ± {stderr(nll[name] - truth):.4f}"
        print(f"{name:12} {nll[name].mean():9.4f} ± {stderr(nll[name]):.4f}{excess if options.truth else ''}"
              f"   {notes[name]}")


if __name__ == "__main__":
    main()
