#!/usr/bin/env python3
"""Tables of what the benchmark has measured, of all files or between the markers of a page.

    python3 tests/bench/report.py build/bench/*.out
    python3 tests/bench/report.py --doc docs/performance.md build/bench/*.out

A value is the median of the lines that have its name. Of a rival, the fastest of all its ways and numbers of
threads counts.
"""
import argparse
import statistics
import sys

PASSES, TARGETS = ("forward", "input", "weight"), {
    "compile_gcc": 4.0, "compile_clang": 3.5, "stack": 24576, "file_save": 1.5, "file_load": 1.5,
    "job_moons_original": 6, "job_dino": 25, "job_dino_memory": 64, "job_demo": 25,
}
LAYOUTS = {"nn": "A B", "tn": "Aᵀ B", "nt": "A Bᵀ"}


class Part:
    """The lines of one file: what is told in its head, and fields by name; rivals by what they do."""

    def __init__(self, path):
        self.about, self.lines, self.rivals = {}, {}, {}
        with open(path) as file:
            for line in file:
                kind, *words = line.split()
                if kind == "#":
                    key, _, value = line[2:].strip().partition(": ")
                    self.about[key] = value
                    continue
                field = dict(word.split("=", 1) for word in words)
                if kind == "bench":
                    kept = self.lines.setdefault(field.pop("name"), {})
                else:
                    of, threads = field["name"].rsplit("_t", 1)
                    way = f"{field['way'].replace('-', ' ')}, {threads} thread{'s' * (threads != '1')}"
                    kept = self.rivals.setdefault(kind, {}).setdefault(of, {}).setdefault(way, {})
                for key, value in field.items():
                    kept.setdefault(key, []).append(value)
        self.part = self.about.get("part", "").split("-")[0]

    def value(self, name, key="value"):
        found = self.lines.get(name, {}).get(key)
        return statistics.median(map(float, found)) if found else None

    def text(self, name, key):
        return self.lines[name].get(key, ["–"])[0]

    def named(self, prefix):
        return [name for name in self.lines if name.startswith(prefix)]

    def rival(self, kind, of):
        """Value and way of the fastest; an evaluation is compared with a forward pass alone."""
        ways = self.rivals.get(kind, {}).get(of.replace("evaluate_", "forward_"), {})
        medians = [(statistics.median(map(float, field["value"])), way) for way, field in ways.items()]
        return max(medians, default=(None, "–"))


def number(x):
    """Four digits or more."""
    if x is None:
        return "–"
    return f"{x:,.{max(0, 4 - len(str(int(x)))) + (x < 1)}f}"


def percent(x):
    return "–" if x is None else f"{100 * x:.0f} %"


def ratio(x, y):
    return "–" if x is None or not y else f"{x / y:.2f}"


def products(p):
    for name in p.named("gemm_"):
        _, layout, size, threads = name.split("_")
        rival = p.value(name, "rival_value")
        yield [LAYOUTS[layout], size.replace("x", "×"), threads[1:], number(p.value(name)),
               number(p.value(name, "limit")), percent(p.value(name, "fraction")),
               p.text(name, "rival").replace("-", " "), number(rival), ratio(p.value(name), rival)]


def convolutions(p):
    for name in p.named("conv_forward_"):
        names = [name.replace("forward", way) for way in PASSES]
        cells = [f(p.value(n, key)) for n in names for f, key in ((number, "value"), (percent, "fraction"))]
        yield [name.split("_")[2].replace("x", "×").replace("/2", ", stride 2"), *cells]


def functions(p):
    for name in p.named("math_"):
        value, rival = p.value(name), p.value(name, "rival_value")
        yield ["`" + name[5:-3] + "`", number(value), p.text(name, "rival").replace("-", " "), number(rival),
               ratio(value, rival)]


def networks(p):
    for name in p.lines:
        of, threads = name.rsplit("_t", 1)
        (torch, way), (onnx, with_threads) = p.rival("torch", of), p.rival("onnx", of)
        what, network = of.split("_")
        value, gflops, fraction = (p.value(name, key) for key in ("value", "gflops", "fraction"))
        yield [what, network, threads, p.text(name, "unit"), number(value), number(gflops), percent(fraction),
               number(torch), way, ratio(value, torch),
               number(onnx), with_threads.split(", ")[-1], ratio(value, onnx)]


def plain(p):
    for name in p.named("vectors_"):
        times = {label: 1 / p.value(name.replace("vectors", label)) for label in ("vectors", "O2", "O3")}
        yield [name.split("_")[2], p.text(name, "unit"), number(p.value(name)),
               *(f"{times[label] / times['vectors']:.1f}" for label in ("O2", "O3"))]


def costs(p):
    for name in p.lines:
        yield [name.replace("_", " "), p.text(name, "unit"), number(p.value(name)), number(TARGETS.get(name))]


NETWORK_HEAD = ("what", "network", "threads:", "unit", "here:", "GFLOP/s:", "of the limit:", "PyTorch:",
                "fastest way", "ratio:", "ONNX Runtime:", "fastest with", "ratio:")
COST_HEAD = ("what", "unit", "here:", "target:")
TABLES = [  # part, title, head (a colon at the end: right), rows
    ("kernels", "Matrix products, GFLOP/s", ("product", "m×n×k", "threads:", "here:", "limit:", "fraction:",
                                             "rival", "its value:", "ratio:"), products),
    ("kernels", "3×3 convolutions of 4 images, one thread, GFLOP/s in operations of nine taps a pixel",
     ("pixels×channels", "forward:", "fraction:", "input:", "fraction:", "weight:", "fraction:"),
     convolutions),
    ("kernels", "Elementwise functions, one thread, arrays of 4,096, Gelem/s",
     ("function", "here:", "rival", "its value:", "ratio:"), functions),
    ("mlps", "Networks of vectors", NETWORK_HEAD, networks),
    ("unets", "U-Nets", NETWORK_HEAD, networks),
    ("plain", "A training step in plain C (`ITD_NO_SIMD`), one thread: times as long as with vectors",
     ("network", "unit", "with vectors:", "-O2, times:", "-O3, times:"), plain),
    ("compile", "The header alone, `-O2`", COST_HEAD, costs),
    ("files", "The training of ddpm, 572 MB, saved and loaded", COST_HEAD, costs),
    ("jobs", "Whole jobs", COST_HEAD, costs),
]


def table(part, title, head, rows):
    rows = list(rows(part))
    if not rows:
        return
    title += f", {part.about['kernels']}" if "kernels" in part.about else ""
    about = "; ".join(f"{key}: {value}" for key, value in part.about.items() if key != "part")
    yield from ["", f"**{title}**", "", "| " + " | ".join(cell.rstrip(":") for cell in head) + " |"]
    yield "|" + "|".join("--:" if cell.endswith(":") else "---" for cell in head) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield from ["", f"{about}."]


def replaced(page, commits, lines):
    """The page with the lines between its markers, below the commits that were measured."""
    lines = [f"<!-- measured at commit {', '.join(sorted(commits))} -->", *lines]
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    with open(page) as file:
        text = file.read().split("\n")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        sys.exit(f"{page}: no {begin} and {end}")
    return "\n".join(text[: text.index(begin) + 1] + lines + text[text.index(end) :])


def main():
    parser = argparse.ArgumentParser(description="Makes tables of what the benchmark has measured.")
    parser.add_argument("--doc", help="page to put them into, instead of printing them")
    parser.add_argument("files", nargs="+")
    o = parser.parse_args()
    parts = [Part(path) for path in o.files]
    lines = [line for name, *rest in TABLES for p in parts if p.part == name for line in table(p, *rest)][1:]
    if o.doc:
        page = replaced(o.doc, {p.about.get("commit", "unknown") for p in parts}, lines)
        with open(o.doc, "w") as file:
            file.write(page)
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
