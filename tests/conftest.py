import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def contrast(a, b):
    """The contrast of two colours "#rrggbb" as WCAG defines it: (L + 0.05) / (l + 0.05), L and l their luminances."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
