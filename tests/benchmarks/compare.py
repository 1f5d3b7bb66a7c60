"""Compare minigrad with other libraries, or with itself at another commit: python tests/benchmarks/compare.py

Prints Markdown. Every figure of the first two tables is a time, forward and backward, relative to hand-written NumPy in
the same run. Each candidate runs in a process of its own (measure.py), with garbage collection on; the processes of a
row take turns, and nothing else is timed meanwhile, so that --only gives the figures of the whole run. This is done
--runs times with new processes: a figure is the median of the runs' medians over their turns, with half the distance
between quartiles as its spread. Gradients are compared with the hand-written ones before anything is timed. A library
that is not installed, or cannot do a workload, has no figure.

The first table compares libraries, minigrad by its fastest way in; the second the ways in that users of minigrad take.
Then come first calls, memory, and what recording costs. --write FOLDER puts the tables into README.md of that folder,
between two comments, and a plot into examples/benchmarks.svg: with --write . the figures of this repository.

One thread by default, pinned to one processor, and processor time is measured, which other programs disturb less; with
--threads all it is the time on the clock. Every process starts with an environment that tells every library, and
without the variables that choose OpenBLAS's kernels by hand.

--against COMMIT times minigrad as it stands here relative to minigrad at COMMIT, several pairs of processes for each
figure, and fails where a workload takes more than 3 % longer by more than the spread.
"""

import argparse
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

from candidates import CANDIDATES, ROADS  # noqa: E402
from workloads import WORKLOADS  # noqa: E402

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
DTYPES = ("float64", "float32")
BASE = "NumPy by hand"
SLOW_WORKLOADS = ("784-512", "50-step", "chain", "20 operations")
SLOW_CANDIDATES = ("torch.compile", "micrograd")
TOLERATED = 1.03  # times as long as at the other commit
MAX_FIRST_CALL = 30  # seconds: what takes longer to compile is measured in one run


def main():
    options = parse()
    if options.threads == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the processes that are started inherit it
    print(head := heading(options))
    if options.against:
        sys.exit(compare_commits(options))
    measured = {}
    tables = [print_comparison(options, options.names, options.workloads, measured)]
    if not options.candidates:
        gradients = [w for w in options.workloads if w.kind == "gradient"]
        tables.append(print_comparison(options, [BASE, *ROADS], gradients, {}))
    tables.append(print_first_calls(measured))
    if not options.quick:
        tables.append(print_peaks(options))
    if options.write:
        write(Path(options.write), "\n".join([*tables, head]), measured)
    if not options.only:
        print_nodes(options)
        print_growth(options)
        print_imports(options)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", choices=["1", "all"], default="1", help="processors to use")
    parser.add_argument("--quick", action="store_true", help="the small workloads, twice: a smoke test")
    parser.add_argument("--runs", type=int, help="runs of every candidate, in new processes (5, or 1 with --quick)")
    parser.add_argument("--turns", type=int, help="turns in each run (15, or 2 with --quick)")
    parser.add_argument("--write", metavar="FOLDER", help="put the tables into its README.md, a plot into its examples")
    parser.add_argument("--only", default="", help="workloads whose name contains this, and only their tables")
    parser.add_argument("--candidates", default="", help="candidates by name, separated by commas")
    parser.add_argument("--against", metavar="COMMIT", help="time minigrad relative to this commit")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of processes for each figure of --against")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.turns = options.turns or (2 if options.quick else 15)
    options.clock = "process_time" if options.threads == "1" else "perf_counter"
    options.workloads = [
        w for w in WORKLOADS if options.only in w.name and not (options.quick and w.name.startswith(SLOW_WORKLOADS))
    ]
    chosen = options.candidates.split(",") if options.candidates else list(CANDIDATES)
    options.names = [
        name for name in CANDIDATES if name in (BASE, *chosen) and not (options.quick and name in SLOW_CANDIDATES)
    ]
    return options


def heading(options):
    versions = []
    for package in ("numpy", "numba", "torch", "jax", "autograd", "mygrad", "micrograd"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    threads = "one pinned thread" if options.threads == "1" else f"{os.cpu_count()} threads"
    how = f"{options.runs} runs of {options.turns} turns" if not options.against else f"{options.pairs} pairs"
    return f"{threads} of {processor()}; {how}; Python {sys.version.split()[0]}, {', '.join(versions)}\n"


def processor():
    """The name of the processor, as Linux gives it, with the number of those that there are."""
    file = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", file.read_text()) if file.exists() else None
    return f"{os.cpu_count()} x {name[1] if name else platform.machine()}"


def print_table(heads, rows):
    """Print a table row by row, each as soon as it is known; returns its text."""
    lines = []
    for row in chain([heads], rows):
        lines.append(f"| {' | '.join(row)} |" if lines else f"| {' | '.join(row)} |\n|{'---|' * len(heads)}")
        print(lines[-1], flush=True)
    print()
    return "\n".join([*lines, ""])


# --- processes ------------------------------------------------------------------------------------------------------


def environment(threads, root):
    """The environment of a measuring process, with the minigrad of the folder ``root``."""
    result = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", *THREADS)}
    if threads == "1":
        result |= dict.fromkeys((*THREADS, "TORCHINDUCTOR_COMPILE_THREADS"), "1")
        result["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return result | {"PYTHONPATH": str(root)}


def measure(options, *arguments):
    """What measure.py prints, None where it fails."""
    command = [sys.executable, str(HERE / "measure.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment(options.threads, ROOT), capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


class Process:
    """A process that times one candidate on one workload, a turn whenever it is asked to.

    ``first`` is the time of the first call, None where there is nothing to time.
    """

    def __init__(self, options, name, workload, dtype, root=ROOT):
        self.name = name
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "results.npz")
            command = [sys.executable, str(HERE / "measure.py")]
            self._process = subprocess.Popen(
                [*command, "turns", name, workload.name, dtype, options.clock, str(file)],
                env=environment(options.threads, root),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.first = self._answer()
            if file.exists():
                with np.load(file) as results:
                    check(name, workload, results, dtype)

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            print(f"{self.name} fails", file=sys.stderr)
        return json.loads(line or "null")

    def turn(self):
        """The processor's or the clock's seconds for one step."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._process:
            self._process.stdin.close()


def check(name, workload, results, dtype):
    """Stop if the results of a candidate differ from the hand-written ones."""
    parameters, data = workload.arguments(np.dtype(dtype))
    value, gradients = workload.hand(*parameters, *data)
    rtol = 1e-6 if dtype == "float64" else 5e-3
    scale = max(float(np.max(np.abs(g))) for g in gradients)
    for i, want in enumerate(gradients):
        if not np.allclose(results[f"g{i}"], want, rtol=rtol, atol=rtol * scale):
            off = np.max(np.abs(results[f"g{i}"] - want))
            raise SystemExit(f"{name} is wrong on {workload.name}: gradient {i} is off by {off} of {scale}")
    for i, want in enumerate(np.atleast_1d(value) if value is not None else []):
        if not np.allclose(results[f"v{i}"], want, rtol=rtol):
            raise SystemExit(f"{name} is wrong on {workload.name}: {results[f'v{i}']}, by hand {want}")


def take_turns(processes, turns):
    """{name: times}, a time for each turn; four runs of more than a second are enough."""
    times = {process.name: [] for process in processes}
    for turn in range(turns):
        for process in processes:
            if turn < 4 or times[process.name][0] < 1:
                times[process.name].append(process.turn())
    return times


def median_and_spread(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return middle, (high - low) / 2


# --- time -----------------------------------------------------------------------------------------------------------


def print_comparison(options, names, workloads, measured):
    """Print the table of times relative to hand-written NumPy; adds what is measured to ``measured``."""

    def rows():
        for workload in workloads:
            for dtype in DTYPES:
                found = measured[workload.name, dtype] = compare_on(options, names, workload, dtype)
                yield [workload.name, dtype, *(figure(found.get(name), name) for name in names)]

    return print_table(["workload", "dtype", *names], rows())


def compare_on(options, names, workload, dtype):
    """{name: (relative times, times of the first call)} of the candidates that can do a workload, one for each run."""
    found = {}
    for _ in range(options.runs):
        with ExitStack() as stack:
            started = [stack.enter_context(Process(options, name, workload, dtype)) for name in names]
            running = [process for process in started if process.first is not None]
            times = take_turns(running, options.turns)
        for process in running:
            ratios = [t / b for t, b in zip(times[process.name], times[BASE], strict=False)]
            relative, firsts = found.setdefault(process.name, ([], []))
            relative.append(statistics.median(ratios))
            firsts.append(process.first)
        names = [process.name for process in running if process.first <= MAX_FIRST_CALL]
    return found


def figure(found, name):
    if found is None:
        return "-"
    median, spread = median_and_spread(found[0])
    if name == BASE or median >= 100:
        return f"{median:.0f}"
    return f"{median:.2f} ± {spread:.2f}" if len(found[0]) > 1 else f"{median:.2f}"


# --- two commits ----------------------------------------------------------------------------------------------------


def compare_commits(options):
    """Print the times of minigrad relative to those at another commit; returns what is too slow, None for nothing."""
    names = [name for name in options.names if name.startswith("minigrad")]
    slower = []

    def rows():
        for workload in options.workloads:
            for dtype in DTYPES:
                row = [workload.name, dtype]
                for name in names:
                    ratio, spread = median_and_spread(ratios(options, name, workload, dtype, then))
                    if ratio - spread > TOLERATED:
                        slower.append(f"{name} on {workload.name}, {dtype}: {ratio:.3f} ± {spread:.3f}")
                    row.append(f"{ratio:.3f} ± {spread:.3f}")
                yield row

    with tempfile.TemporaryDirectory() as then:
        command = ["git", "archive", "--format=zip", options.against, "minigrad"]
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        with zipfile.ZipFile(io.BytesIO(archive.stdout)) as files:
            files.extractall(then)
        print_table([f"relative to {options.against}", "dtype", *names], rows())
    return "more than 3 % slower:\n" + "\n".join(slower) if slower else None


def ratios(options, name, workload, dtype, then):
    """One ratio for each pair of processes, of their fastest turns; they take turns at being first, too."""
    found = []
    for pair in range(options.pairs):
        roots = [ROOT, then] if pair % 2 else [then, ROOT]
        with ExitStack() as stack:
            processes = [stack.enter_context(Process(options, name, workload, dtype, root)) for root in roots]
            for process, root in zip(processes, roots, strict=True):
                process.name = root
            times = take_turns(processes, options.turns)
        found.append(min(times[ROOT]) / min(times[then]))
    return found


# --- what else there is to know -------------------------------------------------------------------------------------


def print_first_calls(measured):
    """The time of the first call: what tracing and compiling cost."""
    compilers = ("minigrad compiled", "minigrad fast", "JAX jit", "torch.compile")
    names = [name for name in compilers if any(name in found for found in measured.values())]
    rows = (
        [*key, *(f"{statistics.median(found[name][1]) * 1e3:.0f}" if name in found else "-" for name in names)]
        for key, found in measured.items()
    )
    return print_table(["first call, ms", "dtype", *names], rows) if names else ""


def print_nodes(options):
    """What one recorded operation costs on arrays of one number: time forward and backward, and memory."""
    taken, relative, recorded, peak = measure(options, "nodes", 1_000 if options.quick else 20_000)
    rows = [
        ["forward and backward", f"{taken * 1e6:.2f} µs, {relative:.1f} x the plain one"],
        ["memory, recorded", f"{recorded:.0f} bytes"],
        ["memory, at the peak of backward", f"{peak:.0f} bytes"],
    ]
    print_table(["a recorded node", ""], rows)


def print_growth(options):
    """Time per node of recording, backward and the readings, as the graph grows."""
    sizes = [10**exponent for exponent in range(2, 4 if options.quick else 7)]
    rows = ([f"{n:,}", *(f"{s * 1e6:.1f}" for s in measure(options, "growth", n)), "-", "-"][:6] for n in sizes)
    print_table(["nodes", "record, µs a node", "backward", "explain", "derive", "compile"], rows)


def print_imports(options):
    """Import times, each in new processes, relative to NumPy's."""
    commands = {"numpy": "import numpy", "minigrad": "import minigrad"}
    if not options.quick:
        commands |= {"torch": "import torch", "jax": "import jax.numpy", "autograd": "import autograd.numpy"}
        commands |= {"mygrad": "import mygrad"}
    times = {name: [] for name in ("", *commands)}
    for _ in range(3 if options.quick else 9):
        for name, command in {"": "pass", **commands}.items():
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, check=False)
            if done.returncode == 0:
                times[name].append(time.perf_counter() - start)
    bare = statistics.median(times.pop(""))
    base = statistics.median(times["numpy"]) - bare
    rows = [[name, f"{(statistics.median(ts) - bare) / base:.2f}"] for name, ts in times.items() if ts]
    print_table(["import", "relative to numpy"], rows)


def print_peaks(options):
    """Peak memory beyond libraries and arguments."""
    names = [name for name in options.names if name != "micrograd"]

    def rows():
        for workload in options.workloads:
            peaks = [measure(options, "peak", name, workload.name) for name in names]
            yield [workload.name, *("-" if peak is None else f"{peak:.1f}" for peak in peaks)]

    return print_table(["peak memory, MB", *names], rows())


def write(folder, text, measured):
    """Put the tables into README.md, between two comments, and a plot of the first into examples."""
    from plot import plot

    readme = folder / "README.md"
    around = re.split(r"(?s)(?<=<!-- benchmarks -->\n).*(?=<!-- /benchmarks -->)", readme.read_text())
    if len(around) != 2:
        raise SystemExit(f"{readme} has no <!-- benchmarks --> to put the tables in")
    readme.write_text(f"\n{text}\n".join(around))
    ratios = {key: {name: median_and_spread(of[0]) for name, of in found.items()} for key, found in measured.items()}
    plot(ratios, folder / "examples" / "benchmarks.svg")


if __name__ == "__main__":
    main()
