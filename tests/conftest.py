import numpy as np
import pytest

from minigrad.readings.derive.lines import Lines


@pytest.fixture(autouse=True)
def every_line_is_proved(request, monkeypatch):
    """No derivation, of whatever reading, needs the unsimplified line that is there for want of a proof."""
    if "unproved" in request.keywords:
        return
    made = Lines.__init__

    def checked(self, graph, kept=None, wanted=None):
        made(self, graph, kept, wanted)
        if kept is None:  # a line between nodes that are far apart may round too much to be proved
            assert not self.unproved, f"the lines of {[x.describe() for x in self.unproved]} are not proved"

    monkeypatch.setattr(Lines, "__init__", checked)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items):
    """What drives a browser is slow."""
    for item in items:
        if "view" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture
def rng():
    return np.random.default_rng(7)
