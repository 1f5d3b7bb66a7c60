"""The benchmark runs, and every candidate that is timed has the right gradients: it refuses to time a wrong one."""

import subprocess
import sys
from pathlib import Path

COMPARE = Path(__file__).with_name("compare.py")


def test_a_quick_comparison_runs():
    command = [sys.executable, str(COMPARE), "--quick", "--candidates", "minigrad,minigrad compiled,products alone"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "float32 | 1 |" in line]
    assert len(rows) == 6
    assert "fails" not in done.stderr
    assert "first call" in done.stdout and "import" in done.stdout
