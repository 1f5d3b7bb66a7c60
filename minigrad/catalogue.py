"""The table of rules, printed: what has a derivative of all that NumPy and SciPy offer, and why the rest has none."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

import numpy as np

from .engine import fourier  # noqa: F401 - it writes rules
from .engine.rules import RULES, Function
from .text.words import aligned

DERIVATIVE, NATURE, OTHER, MISSING = "derivative", "none by nature", "not array-valued", "missing"

# Functions that have no row of their own, or one that only refuses, by kind and reason.
_WITHOUT: dict[tuple[str, str], str] = {
    (NATURE, "its values are integers, truths, dates or indices"): """
        busday_count busday_offset is_busday iscomplexobj isnat isrealobj isfortran iterable lexsort
        may_share_memory ndim packbits ravel_multi_index shape shares_memory size unpackbits unravel_index
        isscalar""",
    (NATURE, "its value does not depend on the entries of an array"): """
        arange bartlett blackman diag_indices diag_indices_from empty empty_like eye fftfreq full full_like fromfunction
        hamming hanning identity imag indices ix_ mask_indices ones ones_like rfftfreq tri tril_indices
        tril_indices_from triu_indices triu_indices_from zeros zeros_like""",
    (NATURE, "it is of complex numbers"): "roots sort_complex eig eigvals",
    (MISSING, "np.histogram has a derivative by its weights"): "histogram2d histogramdd",
    (MISSING, "multiply by the window of a number"): "kaiser",
    (MISSING, "np.convolve of the quotient gives the polynomial back"): "polydiv",
    (OTHER, "it is np.vstack, deprecated"): "row_stack",
    (OTHER, "it makes plain arrays of something else"): """
        asanyarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix bmat from_dlpack frombuffer
        fromfile fromiter fromregex fromstring genfromtxt load loadtxt require""",
    (OTHER, "it writes into an array"): "copyto fill_diagonal place put put_along_axis putmask",
    (OTHER, "it is of shapes, dtypes, texts, files or settings"): """
        array2string array_repr array_str base_repr binary_repr broadcast_shapes can_cast common_type datetime_as_string
        datetime_data einsum_path format_float_positional format_float_scientific frompyfunc get_include
        get_printoptions getbufsize geterr geterrcall info isdtype issubdtype min_scalar_type mintypecode nested_iters
        printoptions promote_types result_type save savetxt savez savez_compressed set_printoptions setbufsize seterr
        seterrcall show_config show_runtime test typename""",
}
_WHY = {name: kind for kind, names in _WITHOUT.items() for name in names.split()}


class Row(NamedTuple):
    """What is known of one function: its name, one of four kinds, and the reason where it has no derivative."""

    function: str
    kind: str
    reason: str


@dataclass(frozen=True, repr=False)
class Rules:
    """The table of all functions. It prints; ``rows`` can be searched.

    Attributes
    ----------
    rows : tuple of (function, kind, reason)
        ``kind`` is ``"derivative"``, ``"none by nature"``, ``"not array-valued"`` or ``"missing"``.
    """

    rows: tuple[Row, ...]

    def __getitem__(self, function: str) -> Row:
        return {row.function: row for row in self.rows}[function]

    def __repr__(self) -> str:
        kinds = [row.kind for row in self.rows]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in (DERIVATIVE, NATURE, OTHER, MISSING))
        return "\n".join([*aligned([Row._fields, *self.rows], left=3), "", f"{len(kinds)} functions: {counts}"])


def rules() -> Rules:
    """Return the table of what has a derivative, of the functions of NumPy and the ufuncs of SciPy, if installed.

    Returns
    -------
    Rules
        A table that prints, one row for each function of ``numpy``, ``numpy.linalg``, ``numpy.fft`` and each ufunc of
        ``scipy.special``; what ``mg.rule`` has taught is in it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.rules()["np.linalg.inv"]
    Row(function='np.linalg.inv', kind='derivative', reason='')
    >>> mg.rules()["np.argsort"].kind
    'none by nature'
    """
    return Rules(tuple(_row(name, function) for name, function in functions()))


def functions() -> Iterator[tuple[str, Function]]:
    """Yield the public functions that the table is of, and how they are called."""
    for module, path in ((np, "np"), (np.linalg, "np.linalg"), (np.fft, "np.fft")):
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if callable(function) and not isinstance(function, type) and not name.startswith("_"):
                yield f"{path}.{name}", function
    try:
        special = import_module("scipy.special")
    except ImportError:
        return
    import_module(".engine.special", __package__)
    for name in sorted(dir(special)):
        if isinstance(getattr(special, name), np.ufunc):
            yield f"scipy.special.{name}", getattr(special, name)


def _row(name: str, function: Function) -> Row:
    kind, reason = _WHY.get(name.rpartition(".")[2], ("", "")) if name.startswith("np.") else ("", "")
    if kind:
        return Row(name, kind, reason)
    rule = RULES.get(function)
    if rule is None:
        return Row(name, MISSING, "it has no rule; mg.rule teaches one")
    if rule.differentiable or rule.composed:
        return Row(name, DERIVATIVE, "")
    return Row(name, NATURE, "its derivative is 0 wherever it has one")
