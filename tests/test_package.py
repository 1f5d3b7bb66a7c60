"""The house itself: what it depends on, what importing it costs, which room imports from which, and the README."""

import ast
import base64
import contextlib
import functools
import inspect
import io
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minigrad"
README = (ROOT / "README.md").read_text()

# A module may import from those above it in this list, and from no other.
MODULES = (
    "engine.frames",
    *("engine.context", "engine.arrays", "engine.rules", "engine.axes"),
    *("engine.primitives", "engine.vjps", "engine.composed", "engine.borrowed"),
    *("engine.shapes", "engine.statistics", "engine.polynomials", "engine.ufuncs"),
    *("engine.sequences", "engine.files"),
    *("engine.elementwise", "engine.linear_algebra", "engine.fourier", "engine.special"),
    *("engine.node", "engine.scope", "engine.errors", "engine.debug", "engine.record"),
    *("engine.reverse", "engine.forward", "engine.tensor"),
    *("trees", "transforms", "differences", "graph", "text.words", "text.numpy_code", "text.expressions"),
    *("text.normal_form", "text.rewrites", "text.mathematics", "text.spelling", "text.markup"),
    *("readings.derive.lines", "readings.derive.derivation"),
    *("readings.explain.reasons", "readings.explain.explanation"),
    *("readings.check.kinds", "readings.check.kinks", "readings.check.numbers"),
    *("readings.check.steps", "readings.check.lines"),
    *("readings.check.edits", "readings.check.search", "readings.check.wording", "readings.check.replay"),
    *("readings.check.diagnosis", "readings.check.cost"),
    *("readings.check.conventions", "readings.check.source", "readings.check.repair"),
    *("readings.check.report",),
    *("readings.draw.dot", "readings.draw.fold", "readings.draw.formulas", "readings.draw.layout"),
    *("readings.draw.measure", "readings.draw.svg", "readings.draw.picture"),
    *("readings.draw.page", "readings.draw.drawing"),
    *("readings.compile.rewrites", "readings.compile.optimize", "readings.compile.memory"),
    *("readings.compile.vectorized", "readings.compile.kernels", "readings.compile.emit"),
    *(
        "readings.compile.numbers",
        "readings.compile.outlines",
        "readings.compile.randomness",
        "readings.compile.compiled",
    ),
    *("nn", "optim", "catalogue"),
)


@functools.cache
def nodes_of(path):
    return [*ast.walk(ast.parse(path.read_text()))]


def imported_modules(path):
    """The modules of minigrad that a file imports from, wherever in it, and for whatever purpose."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            start = [*package[: len(package) + 1 - node.level], *filter(None, [node.module])]
            name = ".".join(start) if node.level else node.module.removeprefix("minigrad").strip(".")
            if node.level or node.module.split(".")[0] == "minigrad":
                yield from [name] if name in MODULES else [".".join(filter(None, (name, a.name))) for a in node.names]
        elif isinstance(node, ast.Import):
            yield from [alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("minigrad")]


def short_name(path):
    return path.relative_to(PACKAGE).as_posix()


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=short_name)
def test_imports_run_downwards(path):
    if path.stem == "__init__":
        return
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    assert name in MODULES, f"give {name} a place in the order of modules"
    upwards = set(imported_modules(path)) - set(MODULES[: MODULES.index(name)])
    assert not upwards, f"{name} imports from {upwards}, which stand above it"
    assert "TYPE_CHECKING" not in path.read_text(), "an import that only a type checker reads would hide a cycle"


@pytest.mark.parametrize("path", SOURCES, ids=short_name)
def test_files_and_functions_are_short(path):
    lengths = {
        f"{short_name(path)}: {node.name}": node.end_lineno - node.lineno + 1
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: length for name, length in lengths.items() if length > 50}
    assert len(path.read_text().splitlines()) <= 550


def test_the_top_level_is_the_frame():
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {name.split("/")[0] for name in listed.stdout.split()}
    frame = {"README.md", "pyproject.toml", "LICENSE", "minigrad", "tests", "examples"}
    assert {name for name in top if not name.startswith(".")} == frame


def test_numpy_and_graphviz_are_all_that_it_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]} == {"numpy", "graphviz"}
    assert {"render", "test", "bench", "examples"} <= set(project["optional-dependencies"])


def python(code):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout


def test_importing_it_loads_nothing_that_only_drawing_needs():
    loaded = python(
        "import sys, numpy; before = set(sys.modules); import minigrad; print(*(set(sys.modules) - before))"
    )
    roots = {name.partition(".")[0] for name in loaded.split() if "cython" not in name}
    assert roots - set(sys.stdlib_module_names) <= {"minigrad", "numpy"}


def test_its_version_is_that_of_the_project():
    assert mg.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_documentation_tools_see_every_public_name():
    """As they look, in a new process: by ``__all__``, and by the members of the module."""
    lines = "import inspect, minigrad as mg; print(*mg.__all__); print(*dict(inspect.getmembers(mg)))"
    listed, members = map(str.split, python(lines).splitlines())
    assert set(listed) <= set(members)
    assert {"draw", "explain", "check", "derive", "compile", "Tensor", "nn", "optim"} <= set(listed)
    for name in listed:
        thing = getattr(mg, name)
        assert inspect.getdoc(thing), name
        assert name in ("nn", "optim") or not inspect.ismodule(thing), name


def test_modules_need_no_import_of_their_own():
    assert python("import minigrad as mg; print(mg.optim.adam.__name__, mg.nn.relu.__name__)").split() == [
        "adam",
        "relu",
    ]


# A leaf W that version 0.1.0 has pickled when its module was minigrad.tensor.
PICKLED_LEAF = (
    "gASVwQAAAAAAAACMD21pbmlncmFkLnRlbnNvcpSMBlRlbnNvcpSTlIwWbnVtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0cnVjdJSTlIwF"
    "bnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwFLAoaUaAaMBWR0eXBllJOUjAJmOJSJiIeUUpQoSwOMATyUTk5OSv////9K/////0sA"
    "dJRiiUMQAAAAAAAA8D8AAAAAAAAAwJR0lGKMAVeUiIeUUpQu"
)


def test_a_leaf_that_an_older_version_pickled_is_read():
    W = pickle.loads(base64.b64decode(PICKLED_LEAF))
    assert (type(W), W.name, W.requires_grad, W.data.tolist()) == (mg.Tensor, "W", True, [[1, -2]])


def test_a_pickle_says_nothing_of_the_modules_within():
    assert b"engine" not in pickle.dumps(mg.Tensor(1.0))


def test_leaves_are_saved_and_loaded_as_numpy_does(tmp_path):
    W = mg.Tensor([[1.0, -2.0]], name="W")
    np.savez(tmp_path / "leaves.npz", W=W.data)
    with np.load(tmp_path / "leaves.npz") as saved:
        assert np.array_equal(mg.Tensor(saved["W"]).data, W.data)


@pytest.mark.slow
def test_importing_it_costs_little_more_than_numpy():
    """At most 1.2 times ``import numpy`` on a quiet machine, by alternating runs, each in a process of its own.

    What else a machine does adds to single runs, or to all for a while: 1.5 is allowed, and either of two figures is
    enough. A room that should be loaded later, such as a reading, adds more.
    """
    code = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    python("import minigrad")  # compiled, and in the disk's cache
    times = {"numpy": [], "minigrad": []}
    for _ in range(9):
        for module, taken in times.items():
            taken.append(float(python(code.format(module))))
    of_least = min(times["minigrad"]) / min(times["numpy"])
    of_neighbours = np.median(np.divide(times["minigrad"], times["numpy"]))
    assert min(of_least, of_neighbours) <= 1.5


def readme_blocks():
    """(code, what the README says it prints or None), in reading order."""
    return [
        (block["code"], block["output"])
        for block in re.finditer(r"```python\n(?P<code>.*?)```(?:\n+```text\n(?P<output>.*?)```)?", README, re.DOTALL)
    ]


def test_the_readme_s_code_prints_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, output in readme_blocks():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        assert printed.getvalue().split() == (output or "").split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's malloc")
def test_the_memory_of_large_arrays_is_used_again():
    """To fetch a page costs more than to fill it."""
    faults = python(
        "import resource, numpy as np, minigrad\n"
        "def step(): return [np.ones(1_000_000) for _ in range(40)] and None\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "step(); step(); before = faults()\n"
        "step()\n"
        "print(faults() - before)"
    )
    assert int(faults) < 1000  # of 78,100


@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_the_readme_s_commands_are_one_line_each(heading):
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    assert len(re.findall(r"```sh\n[^\n]+\n```", section)) == section.count("```") / 2 == 1


def test_what_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)|src=\"(?!https?:)([^\"]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target


def test_the_files_in_the_reading_order_are_there():
    section = README.split("\n## Contribute\n")[1].split("\n## ")[0]
    named = re.findall(r"`(\w[\w/]*(?:\.py|/))`", section)
    assert len(named) > 5 and [name for name in named if not (PACKAGE / name).exists()] == []
