"""The benchmark runs, and every candidate that is timed has the right gradients: it refuses to time a wrong one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from candidates import CANDIDATES
from compare import SLOW_WORKLOADS, check
from measure import arrays
from workloads import WORKLOADS

FOLDER = Path(__file__).parent


def marked(workload):
    marks = [pytest.mark.slow] if workload.name.startswith(SLOW_WORKLOADS) else []
    return pytest.param(workload, marks=marks, id=workload.name)


@pytest.mark.parametrize("name", ["minigrad", "minigrad compiled"])
@pytest.mark.parametrize("workload", [marked(w) for w in WORKLOADS])
def test_minigrad_s_gradients_are_those_by_hand(name, workload):
    results = CANDIDATES[name](workload, *workload.arguments(np.float64))()
    check(name, workload, arrays(*results), "float64")


def test_a_wrong_gradient_is_not_timed():
    workload = WORKLOADS[0]
    value, gradients = workload.hand(*workload.arguments(np.float64)[0], *workload.arguments(np.float64)[1])
    with pytest.raises(SystemExit, match="gradient 0 is off"):
        check("minigrad", workload, arrays(value, [2 * g for g in gradients]), "float64")


def compare(*options):
    command = [sys.executable, str(FOLDER / "compare.py"), "--quick", "--only", "2-20-3-1, m=211", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_quick_comparison_runs():
    done = compare("--candidates", "minigrad,products alone")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "float32 | 1 |" in line]
    assert len(rows) == 1 and rows[0].count("±") == 2
    assert not done.stderr


@pytest.mark.slow
def test_two_commits_are_compared():
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=FOLDER, capture_output=True).returncode:
        pytest.skip("not a git checkout")
    done = compare("--candidates", "minigrad", "--against", "HEAD", "--pairs", "1")
    assert "relative to HEAD" in done.stdout and done.stdout.count("±") == 2, done.stderr
