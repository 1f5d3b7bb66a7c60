"""The benchmark runs, and every candidate that is timed has the right gradients: it refuses to time a wrong one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from candidates import CANDIDATES, ROADS
from compare import SLOW_WORKLOADS, check, write
from measure import arrays
from workloads import WORKLOADS

FOLDER = Path(__file__).parent


def marked(workload):
    marks = [pytest.mark.slow] if workload.name.startswith(SLOW_WORKLOADS) else []
    return pytest.param(workload, marks=marks, id=workload.name)


@pytest.mark.parametrize("name", ["minigrad", "minigrad compiled", *ROADS])
@pytest.mark.parametrize("workload", [marked(w) for w in WORKLOADS])
def test_minigrad_s_gradients_are_those_by_hand(name, workload):
    if name in ROADS and workload.kind != "gradient":
        pytest.skip("the ways in are compared on losses alone")
    results = (CANDIDATES | ROADS)[name](workload, *workload.arguments(np.float64))()
    check(name, workload, arrays(*results), "float64")


def test_a_wrong_gradient_is_not_timed():
    workload = WORKLOADS[0]
    value, gradients = workload.hand(*workload.arguments(np.float64)[0], *workload.arguments(np.float64)[1])
    with pytest.raises(SystemExit, match="gradient 0 is off"):
        check("minigrad", workload, arrays(value, [2 * g for g in gradients]), "float64")


def test_the_tables_and_the_plot_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "README.md").write_text("Before.\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nAfter.\n")
    (tmp_path / "examples").mkdir()
    measured = {("a net", dtype): {"minigrad": ([1.2, 1.1, 1.4], [0.1] * 3)} for dtype in ("float64", "float32")}
    write(tmp_path, "| new |\n", measured)
    expected = "Before.\n<!-- benchmarks -->\n\n| new |\n\n<!-- /benchmarks -->\nAfter.\n"
    assert (tmp_path / "README.md").read_text() == expected
    picture = (tmp_path / "examples" / "benchmarks.svg").read_text()
    assert all(f">{text}<" in picture for text in ("a net", "minigrad", "float64", "float32"))
    (tmp_path / "README.md").write_text("no place")
    with pytest.raises(SystemExit, match="has no <!-- benchmarks -->"):
        write(tmp_path, "", measured)


def compare(*options):
    command = [sys.executable, str(FOLDER / "compare.py"), "--quick", "--only", "2-20-3-1, m=211", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_quick_comparison_runs():
    done = compare("--candidates", "minigrad,products alone", "--runs", "2")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "float32 | 1 |" in line]
    assert len(rows) == 1 and rows[0].count("±") == 2 and "; 2 runs of 2 turns;" in done.stdout
    assert not done.stderr


@pytest.mark.slow
def test_two_commits_are_compared():
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=FOLDER, capture_output=True).returncode:
        pytest.skip("not a git checkout")
    done = compare("--candidates", "minigrad", "--against", "HEAD", "--pairs", "1")
    assert "relative to HEAD" in done.stdout and done.stdout.count("±") == 2, done.stderr
