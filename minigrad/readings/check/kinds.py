"""What can be wrong with a step."""

from enum import StrEnum


class Kind(StrEnum):
    """The kinds of mistake that ``check`` knows by name.

    Each is a way in which the right line of a step is changed; see ``edits`` for the changes themselves.
    """

    SIGN = "sign"  # of the whole, or of a summand
    FACTOR = "constant factor"  # a number that is missing, or too many
    NUMBER = "wrong number"  # another constant, exponent or count
    MISSING_TERM = "missing term"  # what a cost term adds
    DOUBLED_TERM = "doubled term"
    NO_PATH = "term without a path"  # something added for a cost term that does not depend on the node
    TERM_GRADIENT = "wrong gradient of a term"
    MISSING_PATH = "missing path"  # what arrives by one of several ways, or by several
    DOUBLED_PATH = "doubled path"
    MISSING_FACTOR = "missing factor"  # of a product, such as the derivative of an activation
    MISSING_MASK = "missing mask"
    WRONG_MASK = "wrong mask"
    EXTRA_FACTOR = "extra factor"
    PRE_POST = "pre- for post-activation"  # Z for A = f(Z), or the other way round
    WRONG_FACTOR = "wrong activation factor"  # A for 1 - A, A for A**2
    FUNCTION = "function left out"
    TRANSPOSED = "transposed"
    ORDER = "wrong order of factors"
    PRODUCT = "wrong kind of product"  # * for @, or @ for *
    OPERAND = "wrong operand"  # another value
    UPSTREAM = "wrong upstream gradient"  # another gradient, or none
    NOT_SUMMED = "not summed"
    AVERAGED = "averaged"
    WRONG_AXIS = "summed over the wrong axis"
    DIAGONAL = "diagonal of a Jacobian"
    INDEX = "wrong entries"  # an index left out, or counted once though used several times
    REVERSED = "reversed"
    SHAPE = "wrong shape"
    COST = "another cost"  # the gradients are right for it
    STALE = "stale value"  # a weight after its update
    NOT_FINITE = "not finite"
    UNKNOWN = "unknown"
