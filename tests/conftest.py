import functools

import numpy as np
import pytest

from minigrad.readings.derive.lines import Lines


@pytest.fixture(scope="session", autouse=True)
def every_line_is_proved():
    """No derivation, of whatever reading, needs the unsimplified line that is there for want of a proof."""
    made = Lines.__init__

    @functools.wraps(made)
    def checked(self, graph, kept=None, wanted=None):
        made(self, graph, kept, wanted)
        if kept is None:  # a line between nodes that are far apart may round too much to be proved
            assert not self.unproved, f"the lines of {[x.describe() for x in self.unproved]} are not proved"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lines, "__init__", checked)
        yield


@pytest.fixture
def unproved(monkeypatch):
    """For derivations whose lines are meant to fail their proof."""
    monkeypatch.setattr(Lines, "__init__", Lines.__init__.__wrapped__)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items):
    """What drives a browser is slow."""
    for item in items:
        if "view" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture
def rng():
    return np.random.default_rng(7)
