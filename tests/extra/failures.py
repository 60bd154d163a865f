#!/usr/bin/env python3
"""failures.py [-j JOBS] [--only NAME...] [--max N] [--docs]: what the programs do when memory or the system fails.

Each job is a program's work on a few rows or images, done again and again: each time one allocation gets
nothing, or all from that one on (no_memory.c); or one call to the system fails (strace), or all of its kind from
that one on. Where it begins there are the outputs of an earlier run. What has to hold:
  - the program ends by itself, with status 0 or 1;
  - with status 1 it says so in one line on stderr, unless it was stderr that failed;
  - with status 0 its results and its outputs are those of a run in which nothing fails;
  - an output is the one of such a run, or the earlier one, or a whole one of less training; a part only of a file
    that a line names, or of a table that grows line by line;
  - and the same command gives all of them when nothing fails any more.
What each job came to the last time is kept in build/failures/results.tsv; --docs writes that into
docs/reliability.md.
"""
import argparse
import concurrent.futures
import glob
import os
import queue
import random
import re
import shutil
import struct
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(TOP, "build", "failures")
RESULTS = os.path.join(WORK, "results.tsv")
LIMIT = 120  # seconds after which a program hangs

# What the programs ask of the system, and how it fails. Loading a program is not theirs to answer for: the
# programs under strace are static.
CALLS = "openat,read,write,lseek,close,fsync,rename,unlink,mkdir,newfstatat,getdents64,ftruncate"
ERRORS = [("EIO", ""), ("EINTR", ""), ("ENOSPC", "+")]  # the last from then on
# What may come before the line that ends a program, or before the end of one that has lost an output.
NOTICE = "[^\\n]*(; the run goes on without it|; the training goes on|: cannot be written)"

FIT = "--num_epochs 2 --hidden_size 8 --eval_draws 4 --quiet --out runs --experiment_name it"
IMAGES = ("--num_epochs 2 --train_batch_size 4 --features 8,8 --steps 2 --eval_images 4 --eval_draws 2 --quiet "
          "--out runs --experiment_name it")
POINTS = ("--num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 3 --hidden_size 16 --embedding_size 8 "
          "--directions 8 --quiet --out runs --experiment_name it")
# Name -> program, options, those of the earlier run. Without most pictures, which take seconds.
JOBS = {
    "fit": ("fit", f"{FIT} --data two.csv --test more.csv --samples_out drawn.csv --samples 50 --pictures off", "--seed 5"),
    "fit-resume": ("fit", f"{FIT} --data two.csv --pictures off --resume".replace("epochs 2", "epochs 60"), ""),
    "fit-load": ("fit", "--data more.csv --load fit.safetensors --train two.csv --scores scores.npy "
                 "--samples_out drawn.npy --samples 50 --steps 5 --eval_draws 4 --quiet --pictures off", "--seed 5"),
    "train_images": ("train_images", f"{IMAGES} --data grey.npy --pictures off", "--seed 5"),
    "train_images-load": ("train_images", "--data grey.npy --load images.safetensors --eval --scores scores.csv "
                          "--eval_draws 2 --quiet --pictures off", "--seed 5"),
    "train_images-sample": ("train_images", "--load images.safetensors --sample 4 --steps 2 --quiet --out runs "
                            "--experiment_name it", "--seed 5"),
    "train_2d": ("train_2d", f"{POINTS} --pictures off", "--seed 5"),
    "train_2d-resume": ("train_2d", f"{POINTS} --pictures off --resume", ""),
    "digits": ("digits", "--n 20 --out some.npy", "--seed 5"),
    "ood": ("ood", "--data grey.npy --load images.safetensors --images 4 --draws 1 --out table.tsv "
            "--scores all.tsv", "--seed 5"),
    "ode": ("ode", "--load fit.safetensors --data more.csv --points 4 --draws 20", "--seed 5"),
    "bounds": ("bounds", "--load fit.safetensors --data more.csv --points 4 --draws 20", "--seed 5"),
    "information": ("information", "--pairs 100 --draws 100", "--seed 5"),
}

# Whether a file is a whole checkpoint.
LOADS = """#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"
int main(int argc, char **argv)
{
    itd_model *model = NULL;
    return argc != 2 || itd_load(argv[1], &model, NULL, NULL) != ITD_OK;
}
"""

GROWING = ("metrics.tsv", "likelihood.tsv", "mses.tsv", "scores.csv")  # line by line, while a program measures


def build():
    """Each program twice, with plain loops; the allocator that fails."""
    os.makedirs(WORK, exist_ok=True)
    for program in sorted({job[0] for job in JOBS.values()}):
        for kind in ("dynamic", "static"):
            target = os.path.join(WORK, f"{program}-{kind}")
            command = ["cc", "-std=c99", "-O1", "-w", "-DITD_NO_SIMD", "-I.", f"examples/{program}.c", "-o", target, "-lm"]
            subprocess.run(command + ["-static"] * (kind == "static"), cwd=TOP, check=True, stderr=subprocess.DEVNULL)
    loads = os.path.join(WORK, "loads")
    with open(loads + ".c", "w") as file:
        file.write(LOADS)
    subprocess.run(["cc", "-O1", "-w", "-DITD_NO_SIMD", "-I.", loads + ".c", "-o", loads, "-lm"], cwd=TOP, check=True)
    shim = ["cc", "-O1", "-shared", "-fPIC", "tests/extra/no_memory.c", "-o", os.path.join(WORK, "no_memory.so")]
    subprocess.run(shim, cwd=TOP, check=True)


def make_data(folder):
    """A table, other rows of it, some grey images, and a model of each."""
    draw = random.Random(1)
    for name, rows in (("two.csv", 60), ("more.csv", 30)):
        with open(os.path.join(folder, name), "w") as file:
            file.write("a,b\n")
            for _ in range(rows):
                a = draw.gauss(0, 1)
                file.write(f"{a:.5f},{a * a + draw.gauss(0, 0.3):.5f}\n")
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 8, 8), }"
    header += " " * (117 - len(header)) + "\n"
    with open(os.path.join(folder, "grey.npy"), "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(bytes(min(255, max(0, int(draw.gauss(90 + 20 * (i % 8), 30)))) for i in range(20 * 64)))
    for program, options, name in (("fit", f"{FIT} --data two.csv --pictures off", "fit"),
                                   ("train_images", f"{IMAGES} --data grey.npy --pictures off", "images")):
        run(folder, [os.path.join(WORK, f"{program}-dynamic"), *options.split()], {}).check_returncode()
        shutil.move(os.path.join(folder, "runs", "it", "model.safetensors"),
                    os.path.join(folder, f"{name}.safetensors"))
        shutil.rmtree(os.path.join(folder, "runs"))


def run(folder, command, more):
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
                          env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **more})


def outputs(folder):
    """Every file but those that hold the time, with its bytes; the rows of metrics without their seconds."""
    found = {}
    for path in glob.glob(os.path.join(folder, "**"), recursive=True):
        name = os.path.relpath(path, folder)
        if os.path.isfile(path) and ".tfevents." not in name:
            with open(path, "rb") as file:
                found[name] = timeless(name, file.read())
    return found


def timeless(name, data):
    if name.rstrip("~").endswith("metrics.tsv"):
        lines = data.decode().split("\n")
        lines = [line for line in lines if not line.startswith("#")]  # the command
        drop = [k for k, column in enumerate(lines[0].split("\t")) if "second" in column]
        data = "\n".join("\t".join(cell for k, cell in enumerate(line.split("\t")) if k not in drop)
                         for line in lines).encode()
    return data


def printed(result):
    """The lines of results, without times."""
    return re.sub(rb"[a-z_]*seconds[a-z_]*=\S+", b"", result.stdout)


class Job:
    """A program's work: what was there before, and what it leaves when nothing fails."""

    def __init__(self, name, data):
        self.name = name
        self.program, options, earlier = JOBS[name]
        self.options = options.split()
        self.start = os.path.join(WORK, "start", name)  # the folder as it is when the program begins
        self.command = [os.path.join(WORK, f"{self.program}-dynamic"), *self.options]
        shutil.rmtree(self.start, ignore_errors=True)
        shutil.copytree(data, self.start)
        before = [option for option in self.command if option != "--resume"] + earlier.split()
        if "--resume" in self.options and self.program == "fit":
            self.stop_early(before)
        else:
            if "--resume" in self.options:  # goes on where a training of one round has ended
                before[before.index("--num_epochs") + 1] = "1"
            run(self.start, before, {}).check_returncode()
        self.old = outputs(self.start)
        folder = os.path.join(WORK, "end", name)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.start, folder)
        count = os.path.join(WORK, f"{name}.count")
        result = run(folder, self.command, {"LD_PRELOAD": os.path.join(WORK, "no_memory.so"), "FAIL_COUNT": count})
        if result.returncode or result.stderr:
            sys.exit(f"failures.py: {name} fails by itself: {result.stderr.decode()}")
        self.new, self.result = outputs(folder), printed(result)
        with open(count) as file:
            self.allocations = int(file.read())
        log = os.path.join(WORK, f"{name}.strace")
        shutil.rmtree(folder)
        shutil.copytree(self.start, folder)
        run(folder, self.traced(log, None), {}).check_returncode()
        with open(log) as file:
            self.calls = [line for line in file if re.match(r"\w+\(", line)]

    def stop_early(self, command):
        """A training that is stopped by a signal, so that there is something to go on from."""
        metrics = os.path.join(self.start, "runs", "it", "metrics.tsv")
        with subprocess.Popen(command, cwd=self.start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not (os.path.exists(metrics) and len(open(metrics).readlines()) > 3):
                time.sleep(0.005)
            process.terminate()

    def traced(self, log, inject):
        return ["strace", "-qq", "-o", log, "-e", f"trace={CALLS}", *(["-e", f"inject={inject}"] if inject else []),
                os.path.join(WORK, f"{self.program}-static"), *self.options]

    def failures(self):
        for k in range(self.allocations):
            for for_good in (False, True):
                yield self, "memory", k, for_good
        for error, on in ERRORS:
            kinds = {}
            for line in self.calls:  # strace counts each kind of call by itself
                kind = line[:line.index("(")]
                kinds[kind] = kinds.get(kind, 0) + 1
                if on and kind not in ("write", "openat", "fsync", "rename", "mkdir"):
                    continue
                yield self, f"{kind}:error={error}:when={kinds[kind]}{on}", line, bool(on)

    def attempt(self, folder, kind, k, for_good):
        """What is wrong with the answer to this failure; None: nothing."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.start, folder)
        log, mute = folder + ".strace", False
        try:
            if kind == "memory":
                more = {"LD_PRELOAD": os.path.join(WORK, "no_memory.so"), "FAIL_AT": str(k)}
                result = run(folder, self.command, {**more, "FAIL_ON": "1"} if for_good else more)
            else:
                result = run(folder, self.traced(log, kind), {})
                with open(log) as file:
                    mute = any(line.startswith("write(2,") and "INJECTED" in line for line in file)
        except subprocess.TimeoutExpired:
            return "hangs"
        said = result.stderr.decode(errors="replace")
        if result.returncode not in (0, 1):
            return f"status {result.returncode}: {said}"
        if result.returncode and not mute and not re.fullmatch(rf"({NOTICE}\n)*{self.program}: [^\n]+\n", said):
            return f"one line of an error expected, found: {said!r}"
        left = outputs(folder)
        return self.failed(folder, left, result, mute) if result.returncode else self.succeeded(left, result)

    def succeeded(self, left, result):
        if printed(result) != self.result:
            return f"another result with status 0: {result.stdout.decode()!r} {result.stderr.decode()!r}"
        for name, data in self.new.items():
            if left.get(name) != data:
                return f"status 0, but {name} is not what it should be: {result.stderr.decode()!r}"
        extra = set(left) - set(self.new)
        return f"status 0, but {extra} are left" if extra else None

    def failed(self, folder, left, result, mute):
        for name, data in left.items():
            if name.endswith(".tmp") or data in (self.old.get(name), self.new.get(name)):
                continue
            if os.path.basename(name) in GROWING:
                continue
            if mute or f"{name}: cannot be written" in result.stderr.decode():
                continue
            if name.endswith(".safetensors") and self.loads(folder, name):
                continue
            return f"a part of {name}, {len(data)} bytes: {result.stderr.decode()!r}"
        lost = {name for name in self.old if self.old[name] not in (left.get(name), left.get(name + "~"))
                and name not in left and not name.endswith("~")}
        if lost:
            return f"lost: {lost}: {result.stderr.decode()!r}"
        again = run(folder, self.command, {})
        if again.returncode or printed(again) != self.result:
            return f"afterwards, again: {again.stderr.decode()!r} {again.stdout.decode()!r}"
        return None

    def loads(self, folder, name):
        return subprocess.run([os.path.join(WORK, "loads"), os.path.join(folder, name)]).returncode == 0


def commit():
    """That of the code, with a + if files have been changed since."""
    command = ["git", "describe", "--always", "--match", "", "--dirty=+"]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True).stdout.strip() or "unknown"


def read_results():
    """Job -> allocations, calls, failures, wrong ones, commit."""
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS) as file:
        return {row[0]: row[1:] for row in (line.rstrip("\n").split("\t") for line in file)}


def write_result(name, row):
    results = {**read_results(), name: row}
    with open(RESULTS, "w") as file:
        file.writelines("\t".join([job, *map(str, results[job])]) + "\n" for job in JOBS if job in results)


def docs():
    results = read_results()
    missing = [name for name in JOBS if name not in results]
    if missing:
        sys.exit(f"failures.py: not run yet: {', '.join(missing)}")
    lines = ["| job | allocations | calls | failures | answered wrongly |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {name} | {' | '.join(results[name][:4])} |" for name in JOBS]
    total = [sum(int(results[name][k]) for name in JOBS) for k in range(4)]
    lines.append(f"| all | {' | '.join(map(str, total))} |")
    at = ", ".join(sorted({results[name][4] for name in JOBS}))
    subprocess.run(["sh", os.path.join(TOP, "tests", "extra", "insert.sh"), "failures"],
                   input="\n".join(lines) + "\n", env={**os.environ, "MEASURED": at}, text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="at a time (as processors)")
    parser.add_argument("--only", nargs="+", default=list(JOBS), choices=list(JOBS), help="these jobs alone")
    parser.add_argument("--max", type=int, help="of each job at most so many failures, spread over it (all)")
    parser.add_argument("--docs", action="store_true", help="only write what is known into docs/reliability.md")
    options = parser.parse_args()
    if options.docs:
        docs()
        return 0
    now = commit()
    build()
    data = os.path.join(WORK, "data")
    shutil.rmtree(data, ignore_errors=True)
    os.makedirs(data)
    make_data(data)
    folders = queue.Queue()
    for k in range(options.j):
        folders.put(os.path.join(WORK, str(k)))

    def one(failure):
        job, kind, k, for_good = failure
        folder = folders.get()
        try:
            wrong = job.attempt(folder, kind, k, for_good)
        finally:
            folders.put(folder)
        if wrong:
            what = f"allocation {k}" if kind == "memory" else f"{kind} {k.strip()}"
            print(f"FAIL {job.name}, {what}{' and all after' * for_good}: {wrong}", flush=True)
        return not wrong

    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        for name in options.only:
            job = Job(name, data)
            failures = list(job.failures())
            every = -(-len(failures) // options.max) if options.max else 1
            results = list(pool.map(one, failures[::every]))
            wrong = len(results) - sum(results)
            passed, failed = passed + sum(results), failed + wrong
            write_result(name, [job.allocations, len(job.calls), len(results), wrong, now])
            print(f"{name}: {job.allocations} allocations, {len(job.calls)} calls to the system, "
                  f"{len(results)} failures, {wrong} wrong", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
