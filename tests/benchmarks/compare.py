"""Compare minigrad with other libraries: python tests/benchmarks/compare.py [--threads all] [--quick]

Prints Markdown. Every figure of the first table is a time, forward and backward, relative to hand-written NumPy in the
same run: the candidates take turns, each figure is the median over the turns, with half the distance between quartiles
as its spread. Gradients are compared with the hand-written ones before anything is timed. A library that is not
installed, or cannot do a workload, has no figure.

One thread by default, pinned to one processor, and processor time is measured, which other programs disturb less; with
all threads it is the time on the clock. The program starts itself again with an environment that tells every library,
and without the variables that choose OpenBLAS's kernels by hand.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
TURN = 0.03  # seconds that a candidate runs before the next takes its turn


def main():
    options = _options()
    if "MINIGRAD_BENCHMARK" not in os.environ:
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=_environment(options.threads), check=False).returncode)
    sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
    if options.threads == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.peak:
        print(_peak_of_this_process(*options.peak))
        return
    print(_heading(options))
    firsts = _compare(options)
    _print_first_calls(firsts)
    _print_nodes(options)
    _print_growth(options)
    _print_imports(options)
    if not options.quick:
        _print_peaks(options)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", choices=["1", "all"], default="1", help="processors to use")
    parser.add_argument("--quick", action="store_true", help="the small workloads, twice: a smoke test")
    parser.add_argument("--turns", type=int, default=15, help="turns of every candidate")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--candidates", default="", help="candidates by name, separated by commas")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _environment(threads):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", *THREADS)}
    if threads == "1":
        environment |= dict.fromkeys(THREADS, "1")
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return environment | {"MINIGRAD_BENCHMARK": "1"}


def _heading(options):
    from importlib.metadata import PackageNotFoundError, version

    versions = []
    for package in ("numpy", "torch", "jax", "autograd", "mygrad", "micrograd"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    threads = "one pinned thread" if options.threads == "1" else f"{os.cpu_count()} threads"
    return f"{threads}; Python {sys.version.split()[0]}, {', '.join(versions)}\n"


# --- time -----------------------------------------------------------------------------------------------------------


def _compare(options):
    """Print the table of times relative to hand-written NumPy; returns the times of first calls."""
    import numpy as np
    from candidates import CANDIDATES
    from workloads import WORKLOADS

    chosen = options.candidates.split(",") if options.candidates else list(CANDIDATES)
    slow = ("torch.compile", "micrograd", "784-512", "50-step", "chain") if options.quick else ()
    names = [name for name in CANDIDATES if name in ("NumPy by hand", *chosen) and name not in slow]
    print("| workload | dtype |", " | ".join(names), "|")
    print("|---|---|", "---|" * len(names), sep="")
    clock = time.process_time if options.threads == "1" else time.perf_counter
    firsts = {}
    for workload in WORKLOADS:
        if options.only not in workload.name or workload.name.startswith(slow):
            continue
        for dtype in (np.float64, np.float32):
            runs, first = _prepare({name: CANDIDATES[name] for name in names}, workload, dtype)
            firsts[workload.name, np.dtype(dtype).name] = first
            figures = _take_turns(runs, 2 if options.quick else options.turns, clock)
            cells = [_figure(figures.get(name), name) for name in names]
            print(f"| {workload.name} | {np.dtype(dtype).name} |", " | ".join(cells), "|", flush=True)
    print()
    return firsts


def _prepare(candidates, workload, dtype):
    """Candidates that can do the workload, their gradients checked against the hand-written ones; first-call times."""
    parameters, data = workload.arguments(dtype)
    value, gradients = workload.hand(*parameters, *data)
    runs, first = {}, {}
    for name, candidate in candidates.items():
        try:
            run = candidate(workload, parameters, data)
            start = time.perf_counter()
            result = run()
        except (NotImplementedError, ImportError):
            continue
        except Exception as error:
            print(f"{name} fails on {workload.name}: {type(error).__name__} {error}"[:300], file=sys.stderr)
            continue
        first[name] = time.perf_counter() - start
        if result is not None:
            _check(name, workload, result, value, gradients)
        runs[name] = run
    return runs, first


def _check(name, workload, result, value, gradients):
    import numpy as np

    rtol = 1e-6 if gradients[0].dtype == np.float64 else 5e-3
    scale = max(float(np.max(np.abs(g))) for g in gradients)
    for got, want in zip(result[1], gradients, strict=True):
        got = np.asarray(_plain(got))
        if not np.allclose(got, want, rtol=rtol, atol=rtol * scale):
            raise SystemExit(f"{name} is wrong on {workload.name}: off by {np.max(np.abs(got - want))} of {scale}")
    values = result[0] if isinstance(result[0], list | tuple) else [result[0]]
    if value is not None and not np.allclose([v.item() for v in map(_plain, values)], value, rtol=rtol):
        raise SystemExit(f"{name} is wrong on {workload.name}: {result[0]}, by hand {value}")


def _plain(x):
    """A library's array as one whose value can be read, and a number as an array."""
    import numpy as np

    x = x.detach() if hasattr(x, "detach") else x
    return x if hasattr(x, "item") else np.float64(x)


def _take_turns(runs, turns, clock):
    """{name: (median, spread)} of the times relative to the first candidate's in the same turn."""
    repeats = {}
    for name, run in runs.items():
        elapsed = min(_time(run, 1, clock) for _ in range(2))
        repeats[name] = max(1, int(TURN / max(elapsed, 1e-6)))
    times = {name: [] for name in runs}
    gc.disable()
    for turn in range(turns):
        for name, run in runs.items():
            if repeats[name] == 1 and turn > 3 and times[name][0] > 1:
                continue  # four runs of more than a second are enough
            times[name].append(_time(run, repeats[name], clock))
        gc.collect()
    gc.enable()
    base = next(iter(times.values()))
    return {name: _median_and_spread([t / b for t, b in zip(ts, base, strict=False)]) for name, ts in times.items()}


def _time(run, repeats, clock=time.process_time):
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def _median_and_spread(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return middle, (high - low) / 2


def _figure(figure, name):
    if figure is None:
        return "-"
    median, spread = figure
    return "1" if name == "NumPy by hand" else f"{median:.2f} ± {spread:.2f}" if median < 100 else f"{median:.0f}"


# --- what else there is to know -------------------------------------------------------------------------------------


def _print_first_calls(firsts):
    """The time of the first call: what tracing and compiling cost."""
    compiled = [
        name for name in ("minigrad compiled", "JAX jit", "torch.compile") if any(name in f for f in firsts.values())
    ]
    if not compiled:
        return
    print("| first call, ms | dtype |", " | ".join(compiled), "|")
    print("|---|---|", "---|" * len(compiled), sep="")
    for (workload, dtype), first in firsts.items():
        cells = [f"{first[name] * 1e3:.0f}" if name in first else "-" for name in compiled]
        print(f"| {workload} | {dtype} |", " | ".join(cells), "|")
    print()


def _print_nodes(options):
    """What one recorded operation costs, on arrays of one number: time forward and backward, and memory."""
    import tracemalloc

    import numpy as np

    from minigrad import Tensor

    n = 1_000 if options.quick else 20_000
    x = np.ones(1)

    def forward(x):
        y = x
        for _ in range(n):
            y = y * x
        return y

    def recorded():
        forward(Tensor(x)).backward(x)

    plain = min(_time(lambda: forward(x), 1) for _ in range(5))
    time_per_node = min(_time(recorded, 1) for _ in range(5)) / n
    tracemalloc.start()
    y = forward(Tensor(x))
    recorded_bytes = tracemalloc.get_traced_memory()[0]
    y.backward(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print("| a recorded node | |")
    print("|---|---|")
    print(f"| forward and backward | {time_per_node * 1e6:.2f} µs, {time_per_node * n / plain:.1f} x the plain one |")
    print(f"| memory, recorded | {recorded_bytes / n:.0f} bytes |")
    print(f"| memory, at the peak of backward | {peak / n:.0f} bytes |\n")


def _print_growth(options):
    """Time per node of recording, backward and freeing, as the graph grows."""
    print("| nodes | record, µs a node | backward | free |")
    print("|---|---|---|---|")
    gc.disable()
    _phases(1_000)  # what was freed before is put in order at the first request of size
    for exponent in range(2, 4 if options.quick else 7):
        n = 10**exponent
        cells = [f"{seconds / n * 1e6:.2f}" for seconds in _phases(n)]
        print(f"| {n:,} |", " | ".join(cells), "|", flush=True)
    gc.enable()
    print()


def _phases(n):
    """The seconds that it takes to record a chain of ``n`` nodes, to go back, and to drop it."""
    import numpy as np

    from minigrad import Tensor

    y = x = Tensor(np.ones(1))
    marks = [time.process_time()]
    for _ in range(n):
        y = y + x
    marks.append(time.process_time())
    y.backward(np.ones(1))
    marks.append(time.process_time())
    del y
    marks.append(time.process_time())
    return [b - a for a, b in pairwise(marks)]


def _print_imports(options):
    """Import times, each in new processes, relative to NumPy's."""
    commands = {"numpy": "import numpy", "minigrad": "import minigrad"}
    if not options.quick:
        commands |= {"torch": "import torch", "jax": "import jax.numpy", "autograd": "import autograd.numpy"}
        commands |= {"mygrad": "import mygrad"}
    times = {name: [] for name in ("", *commands)}
    for _ in range(3 if options.quick else 9):
        for name, command in {"": "pass", **commands}.items():
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", command], cwd=HERE.parent.parent, capture_output=True, check=False
            )
            if done.returncode == 0:
                times[name].append(time.perf_counter() - start)
    bare = statistics.median(times.pop(""))
    base = statistics.median(times["numpy"]) - bare
    print("| import | relative to numpy |")
    print("|---|---|")
    for name, values in times.items():
        if values:
            print(f"| {name} | {(statistics.median(values) - bare) / base:.2f} |")
    print()


def _print_peaks(options):
    """Peak memory beyond libraries and arguments, each in a process of its own."""
    from candidates import CANDIDATES
    from workloads import WORKLOADS

    names = [name for name in CANDIDATES if name not in ("torch.compile", "micrograd")]
    print("| peak memory, MB |", " | ".join(names), "|")
    print("|---|", "---|" * len(names), sep="")
    for index, workload in enumerate(WORKLOADS):
        if options.only not in workload.name:
            continue
        cells = []
        for name in names:
            command = [sys.executable, __file__, "--threads", options.threads, "--peak", name, str(index)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cells.append(done.stdout.strip() if done.returncode == 0 else "-")
        print(f"| {workload.name} |", " | ".join(cells), "|", flush=True)
    print()


def _high_water():
    """The most memory that this process has had, in MB. (Linux's ru_maxrss starts with that of the parent process.)"""
    import resource

    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def _peak_of_this_process(name, index):
    import numpy as np
    from candidates import CANDIDATES
    from workloads import WORKLOADS

    workload, candidate = WORKLOADS[int(index)], CANDIDATES[name]
    small = WORKLOADS[0]
    parameters, data = small.arguments(np.float64)
    try:
        candidate(small, parameters, data)()  # what the library allocates once
        parameters, data = workload.arguments(np.float64)
        run = candidate(workload, parameters, data)
        before = _high_water()
        for _ in range(3):
            run()
    except (NotImplementedError, ImportError):
        return "-"
    return f"{_high_water() - before:.1f}"


if __name__ == "__main__":
    main()
