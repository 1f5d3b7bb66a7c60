"""Try random programs in every reading: ``python tests/fuzz/run.py --programs 5000 --seed 1``.

Prints how many programs each reading was tried on, and for each divergence the smallest program that has it; with
``--slips`` what check makes of one edit that is planted in the lines of each program's gradients.
"""

import argparse
import faulthandler
import multiprocessing
import signal
import sys
import time
from collections import Counter
from functools import cache, partial

import numpy as np
from programs import functions, program
from readings import READINGS, divergence, fused, minimised, refused
from slips import outcome

HANGING = 120.0  # seconds after which a program is taken to hang
_table = cache(functions)


def tried(number, readings):
    """Return how often each reading was tried on one program, and its divergences: (seed, reading, program, wrong)."""
    counts, found = Counter(), []
    candidate = program(np.random.default_rng(number), _table())
    if not candidate.terms:
        return counts, found
    if refused(candidate):
        return Counter(refused=1), found
    for reading in readings:
        counts[reading.__name__] += 1
        if divergence(candidate, reading, number) is not None:
            small = minimised(candidate, reading, number)
            found.append((number, reading.__name__, str(small), divergence(small, reading, number)))
    return counts, found


def fuzz(programs, seed, seconds=float("inf"), readings=READINGS, jobs=1, hanging=HANGING):
    """Return the sums of ``tried`` over programs, run by other processes, as nothing else ends one that hangs in C."""
    counts, found, end, numbers = Counter(), [], time.monotonic() + seconds, range(seed, seed + programs)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        results = pool.imap(partial(_watched, readings=readings, hanging=hanging), numbers)
        for number in numbers:
            if time.monotonic() > end:
                break
            try:
                more, others = results.next(timeout=hanging + 1)
            except multiprocessing.TimeoutError:
                wrong = f"runs for more than {hanging} s, at the place that is printed above"
                found.append((number, "hang", str(program(np.random.default_rng(number), _table())), wrong))
                break
            counts += more
            found += others
    return counts, found


def _watched(number, readings, hanging):
    # Not dump_traceback_later: in a fork of a process that has asked for it too, as pytest does, it waits for ever.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.setitimer(signal.ITIMER_REAL, hanging)
    try:
        return tried(number, readings)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def slips(programs, seed):
    """Return what check makes of one edit planted in each program, counted."""
    counts = Counter()
    for number in range(seed, seed + programs):
        candidate = program(np.random.default_rng(number), _table())
        if candidate.terms and not refused(candidate):
            counts[divergence(candidate, outcome, number)] += 1
    return counts


def main():
    """Run from the command line; the exit code is 1 where something diverged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when to stop before that")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes run programs")
    parser.add_argument(
        "--fast", action="store_true", help="compile with numba alone, which takes it seconds a program"
    )
    parser.add_argument("--slips", action="store_true", help="count what check makes of one edit in each program alone")
    options = parser.parse_args()
    if options.slips:
        print(*[f"{count:6} {what}" for what, count in slips(options.programs, options.seed).most_common()], sep="\n")
        return
    readings = (fused,) if options.fast else READINGS
    counts, found = fuzz(options.programs, options.seed, options.seconds, readings, options.jobs)
    for number, reading, small, wrong in found:
        print(f"--- seed {number}, {reading}\n{small}\n{wrong}\n")
    print(", ".join(f"{name} {count}" for name, count in counts.items()), f"- {len(found)} divergences")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
