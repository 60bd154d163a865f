#!/usr/bin/env python3
"""mutate.py [-n 60] [-s SEED] [--list]: how many single faults the tests notice.

Plants one fault after the other into a copy of itdiff.h: a sign, an index, a constant, a missing term, a
comparison off by one, a condition the wrong way round. Each is compiled and put to the tests of its
section, until one fails. Results are kept in build/mutants/results.tsv; a second run goes on where the
first has stopped. At the end: how many were caught, and those that survived. A survivor either changes
nothing that matters or shows a test that is missing.
"""
import argparse
import os
import random
import re
import resource
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(TOP, "build", "mutants")
RESULTS = os.path.join(WORK, "results.tsv")
CC = os.environ.get("CC", "cc")

# Section -> its tests, quick ones first, and whether the fast kernels have to be compiled.
TESTS = {
    "portability": (["test_rng", "test_malformed", "test_train"], False),
    "rng": (["test_rng"], False),
    "kernels": (["test_kernels", "test_ops", "test_images"], True),
    "ops": (["test_ops", "test_images", "test_unet"], False),
    "channel": (["test_schedule"], False),
    "eigen": (["test_gaussian"], False),
    "gaussian": (["test_gaussian"], False),
    "likelihood": (["test_errors", "test_likelihood"], False),
    "descriptions": (["test_checkpoint", "test_train", "test_unet"], False),
    "network": (["test_ops", "test_unet", "test_checkpoint"], False),
    "model": (["test_train", "test_schedule", "test_sample"], False),
    "trainer": (["test_train"], False),
    "sampling": (["test_sample"], False),
    "checkpoint": (["test_checkpoint", "test_malformed", "test_unet", "test_faults", "test_fuzz"], False),
}

# What a fault is: a pattern in the code and what takes its place.
RULES = [
    ("sign", r" \+ ", " - "), ("sign", r" - ", " + "), ("sign", r"\+= ", "-= "), ("sign", r"-= ", "+= "),
    ("operation", r" \* ", " / "), ("operation", r" / ", " * "),
    ("index", r"\[(\w+)\]", r"[\1 + 1]"), ("index", r"\[(\w+) \+ 1\]", r"[\1]"),
    ("index", r"\[(\w+ [*+-] \w+) \+ (\w+)\]", r"[\1]"),
    ("constant", r"\b0\.5\b", "0.25"), ("constant", r"(?<![\w.])1(?= [+-] )", "2"),
    ("constant", r"(?<![\w.\[])2(?= \* )", "3"), ("constant", r"(?<![\w.])([3-9]|[1-9]\d+)\b(?![\w.])", "0"),
    ("missing term", r" \+ (\w+(\.\w+|->\w+|\[\w+\])*)(?=[;,)])", ""),
    ("missing term", r"(?<=[(= ])(\w+(\.\w+|->\w+|\[\w+\])*) \* (?=\w)", ""),
    ("missing call", r"\bsqrt\(", "("), ("missing call", r"\bfabs\(", "("), ("missing call", r"\bexp\(", "("),
    ("off by one", r" < ", " <= "), ("off by one", r" <= ", " < "), ("off by one", r" > ", " >= "),
    ("off by one", r" >= ", " > "),
    ("condition", r" == ", " != "), ("condition", r" != ", " == "), ("condition", r" && ", " || "),
    ("condition", r" \|\| ", " && "), ("condition", r"if \(!", "if ("),
]


def code_lines(text):
    """(number, section, line, its code): comments and strings blanked, from the implementation on."""
    hidden = r'/\*.*?\*/|"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\''
    blank = re.sub(hidden, lambda m: re.sub(r"[^\n]", "\0", m.group()), text, flags=re.S)
    section = None
    for number, (line, code) in enumerate(zip(text.split("\n"), blank.split("\n"))):
        banner = re.search(r"/\* >>(\w+) -", line)
        if banner:
            section = banner.group(1)
        inside = code.startswith("    ") and not re.match(r"\s+(static const|#|ITD_ASSERT|case )", code)
        if section in TESTS and inside:
            yield number, section, line, code


def faults(text):
    """Every fault there is: (section, number, kind, line, the line with the fault)."""
    for number, section, line, code in code_lines(text):
        for kind, pattern, instead in RULES:
            for match in re.finditer(pattern, code):
                changed = line[:match.start()] + match.expand(instead) + line[match.end():]
                if "\0" not in match.group() and changed != line:
                    yield section, number, kind, line, changed


def choose(text, count, seed):
    """The same number from each section, as far as there are so many, all kinds of fault alike."""
    rng = random.Random(seed)
    by_section = {}
    for fault in faults(text):
        by_section.setdefault(fault[0], {}).setdefault(fault[2], []).append(fault)
    chosen = []
    while len(chosen) < count and any(by_section.values()):
        for kinds in by_section.values():
            full = [kind for kind in kinds if kinds[kind]]
            if full and len(chosen) < count:
                pool = kinds[rng.choice(sorted(full))]
                chosen.append(pool.pop(rng.randrange(len(pool))))
    return chosen


def prepare():
    os.makedirs(os.path.join(WORK, "build"), exist_ok=True)
    for name in ("tests", "examples"):
        shutil.rmtree(os.path.join(WORK, name), ignore_errors=True)
        shutil.copytree(os.path.join(TOP, name), os.path.join(WORK, name))
    for name in ("data", "README.md"):
        if not os.path.lexists(os.path.join(WORK, name)):
            os.symlink(os.path.join(TOP, name), os.path.join(WORK, name))


def limit_memory():
    """A fault in a size may ask for all there is."""
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))


def verdict(text, section):
    """Which test notices that the header is this; "invalid": it does not compile, "survived": none does."""
    with open(os.path.join(WORK, "itdiff.h"), "w") as file:
        file.write(text)
    tests, fast = TESTS[section]
    for test in tests:
        program = os.path.join("build", test)
        options = ["-std=c99", "-O1", "-w"] + ([] if fast else ["-DITD_NO_SIMD"])
        build = [CC, *options, f"tests/{test}.c", "-o", program, "-lm"]
        if subprocess.run(build, cwd=WORK, capture_output=True).returncode:
            return "invalid"
        try:
            run = subprocess.run([program], cwd=WORK, capture_output=True, timeout=600,
                                 preexec_fn=limit_memory)
        except subprocess.TimeoutExpired:
            return test + " (time)"
        if run.returncode:
            return test
    return "survived"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60, help="so many faults (60)")
    parser.add_argument("-s", type=int, default=1, help="another choice of them (1)")
    parser.add_argument("--list", action="store_true", help="only show them")
    options = parser.parse_args()
    with open(os.path.join(TOP, "itdiff.h")) as file:
        text = file.read()
    chosen = choose(text, options.n, options.s)
    if options.list:
        for section, number, kind, line, changed in chosen:
            print(f"{section}, line {number + 1}, {kind}\n  {line.strip()}\n  {changed.strip()}")
        return 0
    prepare()
    known = {}
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            known = dict(row.rstrip("\n").split("\t", 1) for row in file)
    lines = text.split("\n")
    caught, survivors, invalid, healthy = 0, [], 0, set()
    for section, number, kind, line, changed in chosen:
        key = f"{section}:{line.strip()} => {changed.strip()}".replace("\t", " ")
        if key not in known:
            if section not in healthy:  # the tests have to pass on the header as it is
                sound = verdict(text, section)
                if sound != "survived":
                    sys.exit(f"mutate.py: without any fault, {sound} fails")
                healthy.add(section)
            mutant = "\n".join(lines[:number] + [changed] + lines[number + 1:])
            known[key] = verdict(mutant, section)
            with open(RESULTS, "a") as file:
                file.write(f"{key}\t{known[key]}\n")
            print(f"{known[key]:16} {section}, line {number + 1}, {kind}: {changed.strip()}", flush=True)
        if known[key] == "invalid":
            invalid += 1
        elif known[key] == "survived":
            survivors.append((section, number, kind, line, changed))
        else:
            caught += 1
    print(f"{caught} of {caught + len(survivors)} faults caught ({invalid} more did not compile)")
    for section, number, kind, line, changed in survivors:
        print(f"survived: {section}, line {number + 1}, {kind}\n  {line.strip()}\n  {changed.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
