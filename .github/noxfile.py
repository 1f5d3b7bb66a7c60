"""The suite with other releases than those of the developer: nox -f .github/noxfile.py

What a session tests with is installed for it; what is not there for its Python (PyTorch, a browser) is skipped.
"""

import os
import re
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parents[1]
nox.options.envdir = str(ROOT / ".nox")


def newest_python() -> str:
    """Return the path of the newest CPython on PATH or among pyenv's."""
    folders = [*os.get_exec_path(), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    found = {sys.version_info.minor: sys.executable}
    for folder in folders:
        if "shims" not in folder and Path(folder).is_dir():
            for path in Path(folder).iterdir():
                if release := re.fullmatch(r"python3\.(\d+)", path.name):
                    found.setdefault(int(release[1]), str(path))
    return found[max(found)]


def run_suite(session: nox.Session, *requirements: str) -> None:
    session.chdir(ROOT)
    session.install("-q", "-e", ".[test]", *requirements)
    session.run("python", "-c", "import sys, numpy; print('Python', sys.version, 'NumPy', numpy.__version__)")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def oldest_numpy(session: nox.Session) -> None:
    """The oldest NumPy that minigrad says it works with."""
    run_suite(session, "numpy==2.0.0")


@nox.session(python=newest_python())
def newest(session: nox.Session) -> None:
    """The newest Python here, and the newest NumPy for it."""
    run_suite(session, "--upgrade", "numpy")
