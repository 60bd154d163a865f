#!/usr/bin/env python3
"""planted-faults.py [-n 100] [-s SEED] [-j JOBS] [--list | --docs]: how many single faults the tests notice.

Plants one fault after the other into a copy of itdiff.h or of a file of examples/support: a sign, an index, a constant, a missing term, a
comparison off by one, a condition the wrong way round. Each is compiled and put to the tests of its
section, until one fails; if none does, to the same tests under AddressSanitizer and UBSan. Results are kept
in build/planted-faults/results.tsv; a second run goes on where the first has stopped, and tries survivors
again. At the end: how many were caught, and those that survived. A survivor either changes nothing that
matters or shows a test that is missing.
"""
import argparse
import concurrent.futures
import datetime
import os
import queue
import random
import re
import resource
import shutil
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(TOP, "build", "planted-faults")
RESULTS = os.path.join(WORK, "results.tsv")  # fault, by what it was caught, and at which commit
KERNELS = os.path.join(WORK, "kernels.o")
CC = os.environ.get("CC", "cc")

# Chapter of the header, or file of examples/support -> its tests, quick ones first, and whether the fast kernels
# have to be compiled.
TESTS = {
    "portability": (["test_rng", "test_checkpoint", "test_malformed", "test_train"], False),
    "rng": (["test_rng", "test_golden"], False),
    "kernels": (["test_kernels", "test_ops", "test_images"], True),
    "ops": (["test_ops", "test_unet", "test_images"], False),
    "channel": (["test_golden", "test_schedule", "test_gaussian"], False),
    "eigen": (["test_gaussian", "test_map"], False),
    "gaussian": (["test_gaussian"], False),
    "likelihood": (["test_likelihood"], False),
    "descriptions": (["test_checkpoint", "test_train", "test_unet", "test_likelihood"], False),
    "network": (["test_ops", "test_unet", "test_train", "test_checkpoint", "test_images"], False),
    "model": (["test_golden", "test_train", "test_schedule", "test_sample", "test_likelihood"], False),
    "trainer": (["test_golden", "test_train", "test_faults"], False),
    "sampling": (["test_sample"], False),
    "checkpoint": (["test_checkpoint", "test_malformed", "test_faults", "test_fuzz", "test_unet"], False),
    "csv.h": (["test_table", "test_readers"], False),
    "eigen.h": (["test_eigen"], False),
    "frame.h": (["test_frame", "test_readers"], False),
    "grid.h": (["test_grid"], False),
    "images.h": (["test_image_sets", "test_readers"], False),
    "kde.h": (["test_kde"], False),
    "learn.h": (["test_learn"], False),
    "npy.h": (["test_npy"], False),
    "scores.h": (["test_scores"], False),
    "table.h": (["test_table", "test_frame", "test_npy", "test_readers"], False),
}
SLOW = ["test_likelihood", "test_images", "test_unet", "test_train", "test_sample", "test_grid", "test_kde"]


def path_of(section):
    """The file that it is in."""
    return f"examples/support/{section}" if section.endswith(".h") else "itdiff.h"


TEXT = {}  # the files as they are
for path in sorted({path_of(section) for section in TESTS}):
    with open(os.path.join(TOP, path)) as whole:
        TEXT[path] = whole.read()

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
    ("condition", r"\btrue\b", "false"), ("condition", r"\bfalse\b", "true"),
    ("function", r"\bitd__min\(", "itd__max("), ("function", r"\bitd__max\(", "itd__min("),
    ("function", r"\bfmin\(", "fmax("), ("function", r"\bfmax\(", "fmin("),
]


def code_lines(path):
    """(number, section, line, its code): comments and strings blanked; of the header, its implementation."""
    text = TEXT[path]
    hidden = r'/\*.*?\*/|"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\''
    blank = re.sub(hidden, lambda m: re.sub(r"[^\n]", "\0", m.group()), text, flags=re.S)
    section = None if path == "itdiff.h" else os.path.basename(path)
    for number, (line, code) in enumerate(zip(text.split("\n"), blank.split("\n"))):
        banner = re.search(r"/\* >>(\w+) -", line)
        if banner:
            section = banner.group(1)
        inside = code.startswith("    ") and not re.match(r"\s+(static const|#|ITD_ASSERT|case )", code)
        if section in TESTS and inside:
            yield number, section, line, code


def faults(path):
    """Every fault of a file: (section, number, kind, line, the line with the fault)."""
    for number, section, line, code in code_lines(path):
        for kind, pattern, instead in RULES:
            for match in re.finditer(pattern, code):
                changed = line[:match.start()] + match.expand(instead) + line[match.end():]
                if "\0" not in match.group() and changed != line:
                    yield section, number, kind, line, changed


def choose(count, seed):
    """The same number from each section, as far as there are so many, all kinds of fault alike."""
    rng = random.Random(seed)
    by_section = {}
    for fault in (fault for path in TEXT for fault in faults(path)):
        by_section.setdefault(fault[0], {}).setdefault(fault[2], []).append(fault)
    chosen = []
    while len(chosen) < count and any(by_section.values()):
        for kinds in by_section.values():
            full = [kind for kind in kinds if kinds[kind]]
            if full and len(chosen) < count:
                pool = kinds[rng.choice(sorted(full))]
                chosen.append(pool.pop(rng.randrange(len(pool))))
    return chosen


def prepare(folder):
    """A copy of what the tests read, so that several can run at a time."""
    os.makedirs(os.path.join(folder, "build"), exist_ok=True)
    for name in ("tests", "examples"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
        shutil.copytree(os.path.join(TOP, name), os.path.join(folder, name))
    for name in ("data", "README.md"):
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(os.path.join(TOP, name), os.path.join(folder, name))


def limit_memory():
    """A fault in a size may ask for all there is."""
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))


def run_test(folder, test, fast, limit, sanitized=False, outside=False):
    """What becomes of a test with the files in this folder: passed, failed, time, or invalid. If the fault is
    `outside` of the header, a sound implementation of that comes from an object."""
    program = os.path.join("build", test)
    options = ["-std=c99", "-w", "-O1" if fast or test in SLOW else "-O0"]
    if outside:
        options += ["-DITDIFF_IMPLEMENTED", KERNELS]
    options += [] if fast or outside else ["-DITD_NO_SIMD"]
    # With plain loops alone, its largest network takes minutes: it gets sound kernels from an object.
    if test == "test_unet" and not fast:
        options += ["-DITDIFF_STATIC", "-DITD__KERNELS_OF=shared_kernels", KERNELS]
    options += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if sanitized else []
    build = [CC, *options, f"tests/{test}.c", "-o", program, "-lm"]
    if subprocess.run(build, cwd=folder, capture_output=True).returncode:
        return "invalid"
    try:
        run = subprocess.run([program], cwd=folder, capture_output=True, timeout=limit,
                             preexec_fn=None if sanitized else limit_memory)
    except subprocess.TimeoutExpired:
        return "time"
    return "failed" if run.returncode else "passed"


LIMITS = {}  # seconds after which a test counts as hanging: many times what it takes without a fault
SOUND = {}  # whether a test passes under the sanitizers without a fault


def put(folder, path, text):
    with open(os.path.join(folder, path), "w") as file:
        file.write(text)


def noticed(folder, section, tests, sanitized):
    """By which of these tests, and how; None: by none; "invalid": it does not compile."""
    for test in tests:
        limit = LIMITS.get(test, 600) * (5 if sanitized else 1)
        result = run_test(folder, test, TESTS[section][1], limit, sanitized, section.endswith(".h"))
        if result == "invalid":
            return result
        if result != "passed":
            return test + (" (time)" if result == "time" else "") + (" (sanitized)" if sanitized else "")
    return None


def verdict(folder, mutant, section):
    """Which test notices that the section's file is this mutant; "survived": none does."""
    (tests, fast), path = TESTS[section], path_of(section)
    try:
        put(folder, path, mutant)
        caught = noticed(folder, section, tests, False)
        if caught:
            return caught
        put(folder, path, TEXT[path])
        for test in tests:
            if test not in SOUND:
                SOUND[test] = run_test(folder, test, fast, 5 * LIMITS.get(test, 600), True) == "passed"
        put(folder, path, mutant)
        return noticed(folder, section, [test for test in tests if SOUND[test]], True) or "survived"
    finally:
        put(folder, path, TEXT[path])


def check_health(folder, section):
    """The tests have to pass on the files as they are."""
    tests, fast = TESTS[section]
    for test in tests:
        started = time.monotonic()
        if run_test(folder, test, fast, 1200, False, section.endswith(".h")) != "passed":
            sys.exit(f"planted-faults.py: without any fault, {test} fails")
        LIMITS[test] = 30 + 10 * (time.monotonic() - started)


def read_results():
    known = {}
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            for row in file:
                key, result, *at = row.rstrip("\n").split("\t")
                known[key], COMMIT[key] = result, at[0] if at else "unknown"
    return known


COMMIT = {}  # at which a fault was tried


def commit():
    """That of the code, with a + if files have been changed since."""
    command = ["git", "describe", "--always", "--match", "", "--dirty=+"]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True).stdout.strip() or "unknown"


def docs(chosen, known):
    missing = sum(fault[-1] not in known for fault in chosen)
    if missing:
        sys.exit(f"planted-faults.py: {missing} of the {len(chosen)} have not been tried; run without --docs")
    insert = os.path.join(TOP, "tests", "extra", "insert.sh")
    at = ", ".join(sorted({COMMIT[fault[-1]] for fault in chosen}))
    subprocess.run(["sh", insert, "planted-faults"], input="\n".join(report(chosen, known)) + "\n",
                   env={**os.environ, "MEASURED": at}, text=True, check=True)


def report(chosen, known):
    """The lines for the page: section by section, then the survivors."""
    rows = {}
    lines = ["| section | faults | caught | survived |", "|---|--:|--:|---|"]
    for section, number, kind, line, changed, key in chosen:
        if known.get(key, "invalid") != "invalid":
            rows.setdefault(section, []).append((known[key] != "survived", line, changed))
    for section, row in rows.items():
        alive = "; ".join(f"`{line.strip()}` as `{changed.strip()}`" for caught, line, changed in row
                          if not caught).replace("|", "\\|")
        lines.append(f"| {section} | {len(row)} | {sum(r[0] for r in row)} | {alive} |")
    every = [r for row in rows.values() for r in row]
    lines.append(f"| all, {datetime.date.today()} | {len(every)} | {sum(r[0] for r in every)} | |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=100, help="so many faults (100)")
    parser.add_argument("-s", type=int, default=1, help="another choice of them (1)")
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="at a time (as processors)")
    parser.add_argument("--only", help="of this section alone")
    parser.add_argument("--list", action="store_true", help="only show them")
    parser.add_argument("--docs", action="store_true",
                        help="only write what is known of them into docs/reliability.md")
    options = parser.parse_args()
    chosen = [(*fault, f"{fault[0]}:{fault[3].strip()} => {fault[4].strip()}".replace("\t", " "))
              for fault in choose(options.n, options.s)]
    chosen = [fault for fault in chosen if options.only in (None, fault[0])]
    if options.list:
        for section, number, kind, line, changed, _ in chosen:
            print(f"{section}, line {number + 1}, {kind}\n  {line.strip()}\n  {changed.strip()}")
        return 0
    known, now = read_results(), commit()
    if options.docs:
        docs(chosen, known)
        return 0
    os.makedirs(WORK, exist_ok=True)
    build = [CC, "-std=c99", "-O2", "-c", "tests/implementation.c", "-o", KERNELS]
    subprocess.run(build, cwd=TOP, check=True)
    folders = queue.Queue()
    for k in range(options.j):
        prepare(os.path.join(WORK, str(k)))
        put(os.path.join(WORK, str(k)), "itdiff.h", TEXT["itdiff.h"])
        folders.put(os.path.join(WORK, str(k)))

    def borrowed(job, *arguments):
        folder = folders.get()
        try:
            return job(folder, *arguments)
        finally:
            folders.put(folder)

    def one(fault):
        section, number, kind, line, changed, key = fault
        lines = TEXT[path_of(section)].split("\n")
        mutant = "\n".join(lines[:number] + [changed] + lines[number + 1:])
        known[key] = borrowed(verdict, mutant, section)
        with open(RESULTS, "a") as file:
            file.write(f"{key}\t{known[key]}\t{now}\n")
        print(f"{known[key]:16} {section}, line {number + 1}, {kind}: {changed.strip()}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        new = [fault for fault in chosen if known.get(fault[-1], "survived") == "survived"]
        list(pool.map(lambda section: borrowed(check_health, section),
                      dict.fromkeys(fault[0] for fault in new)))
        list(pool.map(one, new))
    survivors = [fault for fault in chosen if known[fault[-1]] == "survived"]
    invalid = sum(known[fault[-1]] == "invalid" for fault in chosen)
    tried = len(chosen) - invalid
    print(f"{tried - len(survivors)} of {tried} faults caught ({invalid} more did not compile)")
    for section, number, kind, line, changed, _ in survivors:
        print(f"survived: {section}, line {number + 1}, {kind}\n  {line.strip()}\n  {changed.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
