"""What runs in a process of its own for compare.py: one candidate on one workload, as a program that uses it alone.

Garbage is collected as Python does by default, and memory comes from the allocator as the operating system sets it up.
"""

import json
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
from candidates import CANDIDATES, ROADS
from workloads import WORKLOADS

MAX_WRITTEN_NODES = 10**5  # of a graph that is derived and compiled: a larger one takes minutes
TURN = 0.01  # seconds that a candidate runs before the next takes its turn


def main(what, *arguments):
    {"turns": turns, "peak": peak, "nodes": nodes, "growth": growth}[what](*arguments)


def turns(name, workload, dtype, clock, file):
    """Save the first results to ``file``, then print the time of a step for every line that is read.

    The first line that is printed is the time of the first call, or null where the library is absent or cannot do it.
    """
    chosen = next(w for w in WORKLOADS if w.name == workload)
    try:
        run = (CANDIDATES | ROADS)[name](chosen, *chosen.arguments(np.dtype(dtype)))
        start = time.perf_counter()
        results = run()
    except (NotImplementedError, ImportError):
        print("null", flush=True)
        return
    first = time.perf_counter() - start
    if results is not None:
        np.savez(file, **arrays(*results))
    del results
    print(json.dumps(first), flush=True)
    clock = getattr(time, clock)
    elapsed = min(seconds(run, 1, clock) for _ in range(2))
    repeats = max(1, int(TURN / max(elapsed, 1e-6)))
    for _ in sys.stdin:
        print(json.dumps(seconds(run, repeats, clock)), flush=True)


def seconds(run, repeats, clock):
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def arrays(value, gradients):
    """Values as ``v0``, ``v1`` ... and gradients as ``g0``, ``g1`` ..., all of them NumPy's."""
    values = [] if value is None else value if isinstance(value, list | tuple) else [value]
    return {f"v{i}": array(v) for i, v in enumerate(values)} | {f"g{i}": array(g) for i, g in enumerate(gradients)}


def array(x):
    """A library's array, or a number, as NumPy's."""
    x = x.detach() if hasattr(x, "detach") else x
    return np.asarray(x.item() if getattr(x, "ndim", None) == 0 else x)


def peak(name, workload):
    """Print the peak of memory in MB beyond the library and the arguments, null where the library cannot do it."""
    chosen = next(w for w in WORKLOADS if w.name == workload)
    small = WORKLOADS[0]
    with suppress(NotImplementedError, ImportError):
        CANDIDATES[name](small, *small.arguments(np.float64))()  # what the library allocates once
        run = CANDIDATES[name](chosen, *chosen.arguments(np.float64))
        before = high_water()
        for _ in range(3):
            run()
        print(json.dumps(high_water() - before))
        return
    print("null")


def high_water():
    """The most memory that this process has had, in MB. (Linux's ru_maxrss starts with that of the parent process.)"""
    import resource

    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def nodes(n):
    """Print what one of ``n`` recorded operations costs on arrays of one number.

    Four numbers: seconds forward and backward, the same relative to plain NumPy, bytes recorded, and bytes at the peak
    of backward.
    """
    from minigrad import Tensor

    n, x = int(n), np.ones(1)

    def forward(x):
        y = x
        for _ in range(n):
            y = y * x
        return y

    plain = min(seconds(lambda: forward(x), 1, time.process_time) for _ in range(5))
    recorded = min(seconds(lambda: forward(Tensor(x)).backward(x), 1, time.process_time) for _ in range(5))
    tracemalloc.start()
    y = forward(Tensor(x))
    kept = tracemalloc.get_traced_memory()[0]
    y.backward(x)
    print(json.dumps([recorded / n, recorded / plain, kept / n, tracemalloc.get_traced_memory()[1] / n]))


def growth(n):
    """Print the seconds a node that a recurrence of ``n`` nodes takes to be recorded, gone back through, and read.

    Every second node has a name. Compiled is the recurrence with its gradient.
    """
    phases(100)
    print(json.dumps([taken / int(n) for taken in phases(int(n))]))


def phases(n):
    import minigrad as mg

    def recurrence(w, h, named=False):
        for i in range(n // 2):
            h = np.tanh(w * h)
            h = h.named(f"h{i + 1}") if named else h
        return np.sum(h)

    J = recurrence(mg.Tensor(1.1, name="w"), mg.Tensor(np.ones(2), name="h0"), True)
    compiled = mg.compile(mg.value_and_grad(recurrence))
    steps = [
        lambda: recurrence(mg.Tensor(1.1), mg.Tensor(np.ones(2))),
        J.backward,
        lambda: str(mg.explain(J)),
        lambda: mg.derive(J).numpy(),
        lambda: compiled(1.1, np.ones(2)),
    ]
    return [seconds(step, 1, time.process_time) for step in steps[: 3 if n > MAX_WRITTEN_NODES else None]]


if __name__ == "__main__":
    main(*sys.argv[1:])
