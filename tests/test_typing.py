"""A user's program type-checks, and what is wrong in it is found, under mypy --strict and pyright."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """
import numpy as np
import minigrad as mg

X, W = mg.constant(np.ones((2, 5)), name="X"), mg.Tensor(np.ones((3, 2)), name="W")
Z = (W @ X + 1).named("Z")
A = np.maximum(Z, 0).named("A")
J = (np.sum(A**2) + W.sum() + np.sum(np.exp(W)) + W.T.reshape(-1).mean(axis=0)).named("J")
J.backward()
if W.grad is not None:
    W.data -= 0.1 * W.grad
mg.draw(J, names=locals())
print(mg.explain(J).why("A", "J"), mg.derive(J).numpy())
value, gradient = mg.value_and_grad(lambda w: np.sum(w**2))(np.ones(3))
with mg.no_grad(), mg.scope("layer"):
    size: int = W.size
shape: tuple[int, ...] = W.T.shape
"""
WRONG = ["W.foo", "W.value", "W.numpy()", "W.named(3)", "length: str = W.size"]


def checked(program, tool, folder):
    """What a type checker says of a program."""
    path = folder / "program.py"
    path.write_text(program)
    command = {
        "mypy": ["mypy", "--strict", "--cache-dir", str(folder / "cache")],
        "pyright": ["pyright", "--pythonpath", sys.executable],  # else it asks the first Python on PATH
    }[tool]
    root = str(Path(__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-m", *command, str(path)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "MYPYPATH": root, "PYTHONPATH": root},
    )
    return run.returncode, run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_a_program_type_checks_and_its_mistakes_are_found(tool, tmp_path):
    pytest.importorskip(tool)
    code, said = checked(RIGHT, tool, tmp_path)
    assert code == 0, said
    code, said = checked(RIGHT + "\n".join(WRONG), tool, tmp_path)
    last = len(RIGHT.splitlines())
    found = [line for line in said.splitlines() if "error" in line]
    assert code == 1
    for i, mistake in enumerate(WRONG, last + 1):
        assert any(f":{i}:" in line for line in found), f"{mistake} is not found:\n{said}"
    assert len(found) <= len(WRONG) + 1, said
