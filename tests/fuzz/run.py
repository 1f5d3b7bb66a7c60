"""Try random programs in every reading: ``python tests/fuzz/run.py --programs 5000 --seed 1``.

Prints how many programs each reading was tried on, and for each divergence the smallest program that has it; with
``--slips`` what check makes of one edit that is planted in the lines of each program's gradients.
"""

import argparse
import sys
import time
from collections import Counter

import numpy as np
from programs import functions, program
from readings import READINGS, divergence, fused, minimised, refused
from slips import outcome


def fuzz(programs, seed, seconds=float("inf"), readings=READINGS):
    """Return how often each reading was tried, and the divergences: (seed, reading, program, what is wrong)."""
    table, tried, found, start = functions(), Counter(), [], time.monotonic()
    for number in range(seed, seed + programs):
        if time.monotonic() - start > seconds:
            break
        candidate = program(np.random.default_rng(number), table)
        if not candidate.terms:
            continue
        if refused(candidate):
            tried["refused"] += 1
            continue
        for reading in readings:
            tried[reading.__name__] += 1
            if divergence(candidate, reading, number) is not None:
                small = minimised(candidate, reading, number)
                found.append((number, reading.__name__, small, divergence(small, reading, number)))
    return tried, found


def slips(programs, seed):
    """Return what check makes of one edit planted in each program, counted."""
    table, counts = functions(), Counter()
    for number in range(seed, seed + programs):
        candidate = program(np.random.default_rng(number), table)
        if candidate.terms and not refused(candidate):
            counts[divergence(candidate, outcome, number)] += 1
    return counts


def main():
    """Run from the command line; the exit code is 1 where something diverged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when to stop before that")
    parser.add_argument(
        "--fast", action="store_true", help="compile with numba alone, which takes it seconds a program"
    )
    parser.add_argument("--slips", action="store_true", help="count what check makes of one edit in each program alone")
    options = parser.parse_args()
    if options.slips:
        print(*[f"{count:6} {what}" for what, count in slips(options.programs, options.seed).most_common()], sep="\n")
        return
    readings = (fused,) if options.fast else READINGS
    tried, found = fuzz(options.programs, options.seed, options.seconds, readings)
    for number, reading, small, wrong in found:
        print(f"--- seed {number}, {reading}\n{small}\n{wrong}\n")
    print(", ".join(f"{name} {count}" for name, count in tried.items()), f"- {len(found)} divergences")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
