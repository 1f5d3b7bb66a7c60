"""Every rewrite rule: both sides have one value on random operands, and where a side condition fails none is made."""

import itertools

import numpy as np
import pytest

from minigrad.engine.primitives import cast, detach, einsum, getitem, scatter
from minigrad.readings.compile.rewrites import RUNNING, factor_of, inner
from minigrad.text import rewrites
from minigrad.text.expressions import Expr, evaluate, parts_of
from minigrad.text.normal_form import Rewriter

F = np.dtype(float)
READING = rewrites.REWRITES
RULES = {rule.name: rule for rule in [*READING, *RUNNING]}


class Bench:
    """Expressions of random arrays, made by all rules of a list but the one on trial."""

    def __init__(self, rule, seed=0):
        self.rule, self.rng = rule, np.random.default_rng(seed)
        self.m = Rewriter(READING if rule in READING else RUNNING)
        self.values = {}

    def array(self, *shape, dtype=float):
        a = self.rng.normal(size=shape)
        symbol = self.m.symbol(f"x{len(self.values)}", shape, np.dtype(dtype))
        self.values[symbol] = a > 0 if dtype is bool else a.astype(dtype)
        return symbol

    def constant(self, *shape):
        return self.m.constant(self.rng.normal(size=shape))

    def number(self, value):
        return self.m.literal(value)

    def tried(self, function, *args, **options):
        """A call that is not made yet, of the shape and dtype that it has."""
        args = tuple(a if isinstance(a, Expr) else self.m.literal(a) for a in args)
        trial = Expr(function, args, options, (), None)
        value = evaluate(trial, {**self.values, **self.m.constants})
        return Expr(function, args, options, np.shape(value), np.asarray(value).dtype)

    def raw(self, function, *args, **options):
        """A call as it is."""
        e = self.tried(function, *args, **options)
        return self.m.call(function, e.args, options, e.shape, e.dtype)

    def simple(self, function, *args, **options):
        """A call, simplified."""
        e = self.tried(function, *args, **options)
        return self.m.simplified(function, e.args, options, e.shape, e.dtype)

    def define(self, definition):
        symbol = self.m.symbol(f"x{len(self.values)}", definition.shape, definition.dtype)
        self.values[symbol] = evaluate(definition, self.values)
        self.m.define(symbol, definition)
        return symbol

    def repeated(self, e, *shape):
        return self.raw(np.broadcast_to, e, shape=shape)

    def scaled(self, c, e):
        return self.m.product([(self.m.literal(c), 1), (e, 1)], e.shape, e.dtype)

    def softmax(self):
        u = self.simple(np.exp, self.array(3, 4))
        return self.define(self.simple(np.divide, u, self.simple(np.sum, u, axis=0, keepdims=True)))

    def shares(self, factor=1, axis=0, power=-1, keepdims=True):
        u, factor = self.array(3, 3), factor if isinstance(factor, Expr) else self.number(factor)
        whole = self.simple(np.sum, u, axis=axis, keepdims=keepdims)
        return self.define(self.m.product([(factor, 1), (u, 1), (whole, power)], (3, 3), F))


def sigmoid(b, named, power_of_u, power_of_y, function=np.exp, numerator=1, power=-1):
    u = b.simple(function, b.array(3))
    below = b.simple(np.add, 1, u)
    y = b.m.product([(b.number(numerator), 1), (below, power)], below.shape, below.dtype)
    y = b.define(y) if named else y
    return b.m.normal("product", [(3, {u: power_of_u, y: power_of_y, b.array(3): 1})], y.dtype)


def cancelling(b):
    p = b.softmax()
    d = b.array(3, 4)
    mean = b.simple(np.sum, b.simple(np.multiply, d, p), axis=0, keepdims=True)
    return b.tried(np.sum, b.simple(np.multiply, p, b.simple(np.subtract, d, mean)), axis=0, keepdims=True)


def means(b, count, power=1, shape=(3, 4), **options):
    mean = b.raw(np.mean, b.array(*shape), **options)
    return b.m.normal("product", [(count, {mean: power, b.array(): 1})], mean.dtype)


def row(b, factor, power=1):
    """A row of three numbers: a product of a factor and a vector, in normal form."""
    return b.m.product([(b.number(3), 1), (factor, power), (b.array(3), 1)], (1, 3), F)


def column(b, vector):
    return b.raw(getitem, vector, ..., None)


# name of a rule -> left sides to which it applies
LEFT = {
    "an_identity_is_its_argument": [
        lambda b: b.tried(np.positive, b.array(3)),
        lambda b: b.tried(detach, b.array(3)),
    ],
    "constants_are_folded": [
        lambda b: b.tried(np.exp, b.constant(3)),
        lambda b: b.tried(np.add, 2, np.float64(0.5)),
        lambda b: b.tried(np.sum, b.constant(3, 2), axis=0),
    ],
    "a_repeat_of_a_repeat": [
        lambda b: b.tried(np.broadcast_to, b.repeated(b.array(3), 2, 3), shape=(4, 2, 3)),
        lambda b: b.tried(np.broadcast_to, b.array(3), shape=(3,)),
    ],
    "a_repeat_leaves_an_elementwise_function": [
        lambda b: b.tried(np.exp, b.repeated(b.array(3), 2, 3)),
        lambda b: b.tried(np.hypot, b.repeated(b.array(3, 1), 3, 2), b.repeated(b.array(), 3, 2)),
        lambda b: b.tried(np.where, b.array(2, 3, dtype=bool), b.repeated(b.number(2.0), 2, 3), b.array(2, 3)),
    ],
    "a_repeated_number_keeps_no_order": [
        lambda b: b.tried(np.reshape, b.repeated(b.array(), 2, 3), shape=(6,)),
        lambda b: b.tried(np.moveaxis, b.repeated(b.number(2.0), 2, 3), source=0, destination=1),
        lambda b: b.tried(getitem, b.repeated(b.array(), 2, 3), slice(None), None, 1),
    ],
    "a_number_needs_no_cast": [
        lambda b: b.tried(cast, b.repeated(b.number(2.5), 3), np.dtype("f")),
    ],
    "a_number_is_a_factor": [
        lambda b: b.tried(np.multiply, b.array(3), 2.5),
        lambda b: b.tried(np.multiply, np.float64(-2), b.scaled(3.0, b.array(3))),
        lambda b: b.tried(np.divide, b.array(3), 4),
    ],
    "a_mask_is_cast_by_itself": [
        lambda b: b.tried(np.multiply, b.array(3), b.array(3, dtype=bool)),
        lambda b: b.tried(np.multiply, b.array(2, 1, dtype=bool), b.array(3, dtype=np.float32)),
    ],
    "a_sign_is_a_factor": [lambda b: b.tried(np.negative, b.array(3))],
    "numbers_leave_products": [
        lambda b: b.tried(np.multiply, b.scaled(2.0, b.array(3)), b.scaled(-1.5, b.array(3))),
        lambda b: b.tried(np.divide, b.scaled(2.0, b.array(3)), b.scaled(-4.0, b.array(3))),
        lambda b: b.tried(np.divide, 1.0, b.scaled(-1.0, b.array(3))),
    ],
    "signs_and_factors_leave_sums": [
        lambda b, f=f, c=c, d=d: b.tried(f, b.scaled(c, b.array(3)), b.scaled(d, b.array(3)))
        for f in (np.add, np.subtract)
        for c in (-2.0, -1.0, 1.0, 2.0)
        for d in (-2.0, -1.0, 3.0)
        if not (c > 0 and d == 3.0)
    ]
    + [
        lambda b: b.tried(np.add, b.scaled(-2.0, b.array(3)), b.scaled(2.0, b.array(2, 1))),
        lambda b: b.tried(np.add, b.scaled(-2.0, b.array(3, dtype=np.float32)), b.scaled(2.0, b.array(3))),
        lambda b: b.tried(np.subtract, 2.0, b.scaled(-1.0, b.array(3))),
        lambda b: b.tried(np.subtract, b.scaled(-1.0, b.array(3)), 1.0),
    ],
    "a_sum_begins_with_its_first_summand": [lambda b: b.tried(np.add, 0, b.array(3))],
    "like_terms_are_added": [
        lambda b: b.tried(np.add, b.array(3), 2),
        lambda b: b.tried(np.positive, b.array(3)),
        lambda b: (lambda x: b.tried(np.subtract, b.simple(np.multiply, 2, x), x))(b.array(3)),
        lambda b: (lambda x: b.tried(np.subtract, x, x))(b.array(3)),
        lambda b: b.tried(np.negative, b.simple(np.subtract, b.array(3), b.array(2, 1))),
    ],
    "factors_cancel": [
        lambda b: (lambda x: b.tried(np.divide, b.simple(np.multiply, x, b.array(2, 1)), x))(b.array(3)),
        lambda b: b.tried(np.square, b.simple(np.multiply, 3, b.array(3))),
        lambda b: b.tried(np.reciprocal, b.array(3)),
    ],
    "a_choice_of_zero_is_a_product": [lambda b: b.tried(np.where, b.array(3, dtype=bool), 1.5, 0.0)],
    "complement_of_a_sigmoid": [
        *(
            lambda b, named=named, u=u, y=y: sigmoid(b, named, u, y)
            for named in (True, False)
            for u, y in [(1, 2), (2, 3)]
        ),
        lambda b: sigmoid(b, True, 1, 1),
        lambda b: sigmoid(b, True, 3, 2),
        lambda b: sigmoid(b, True, 1, 1, np.cosh),
    ],
    "scalars_leave_linear_functions": [
        lambda b: b.tried(np.sum, b.simple(np.multiply, b.array(), b.array(3, 2)), axis=0),
        lambda b: b.tried(
            np.matmul, b.simple(np.multiply, 2, b.array(3, 2)), b.simple(np.divide, b.array(2), b.array())
        ),
        lambda b: b.tried(scatter, b.simple(np.multiply, b.array(), b.array(2)), slice(1, 3), shape=(4,)),
        lambda b: b.tried(einsum, b.array(2), b.simple(np.multiply, b.array(), b.array(2)), subscripts="i,j->ij"),
    ],
    "what_does_not_vary_leaves_a_sum": [
        lambda b: b.tried(np.sum, b.simple(np.multiply, b.array(1, 3), b.array(2, 3)), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.simple(np.multiply, b.array(1, 3), b.array(2, 4, 3)), axis=1, keepdims=True),
    ],
    "a_sum_of_equal_entries_is_a_count": [
        lambda b: b.tried(np.sum, b.repeated(b.array(1, 3), 4, 3), axis=(0, 1), keepdims=True),
        lambda b: b.tried(np.sum, b.repeated(b.array(), 4, 3), axis=1),
    ],
    "a_sum_of_one_entry_is_the_entry": [
        lambda b: b.tried(np.sum, b.array(1, 3), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.array(2, 3), axis=()),
        lambda b: b.tried(np.sum, b.array()),
    ],
    "shares_add_up_to_one": [
        lambda b: b.tried(np.sum, b.softmax(), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.softmax(), axis=0),
        lambda b: b.tried(np.sum, b.shares(axis=None), keepdims=True),
        lambda b: b.tried(np.sum, b.shares(axis=None, keepdims=False), keepdims=True),
    ],
    "as_many_means_as_entries_are_a_sum": [
        lambda b: means(b, 4, axis=1),
        lambda b: means(b, -12),
        lambda b: means(b, 6, axis=(0, 2), keepdims=True, shape=(2, 4, 3)),
    ],
    "sums_that_cancel": [cancelling],
    "axes_are_written_one_way": [
        lambda b: b.tried(np.sum, b.array(2, 3), axis=(0, -1)),
        lambda b: b.tried(np.sum, b.array(2, 3), axis=(-1,), keepdims=True),
    ],
    "a_mean_is_a_sum": [lambda b: b.tried(np.mean, b.array(2, 3), axis=0), lambda b: b.tried(np.mean, b.array(2, 3))],
    "a_sum_of_products_is_an_inner_product": [
        lambda b: b.tried(np.sum, b.raw(np.square, b.array(2, 3))),
        lambda b: b.tried(np.sum, b.raw(np.multiply, b.array(2, 3), b.array(2, 3))),
        lambda b: b.tried(np.sum, b.raw(np.square, b.array(40_000, dtype=np.float32))),
    ],
    "a_sum_along_an_axis_is_a_product_with_ones": [
        lambda b, axis=axis, keepdims=keepdims: b.tried(np.sum, b.array(4, 3), axis=axis, keepdims=keepdims)
        for axis in (0, 1, -1, (0,))
        for keepdims in (False, True)
    ],
    "the_axes_of_a_matrix_swapped_are_a_transpose": [lambda b: b.tried(np.swapaxes, b.array(2, 3), axis1=-1, axis2=0)],
    "a_transpose_of_a_transpose": [
        lambda b: b.tried(np.transpose, b.raw(np.transpose, b.array(2, 3, 4))),
        lambda b: b.tried(np.transpose, b.array(3)),
    ],
    "axes_that_stay_where_they_are": [
        lambda b: b.tried(np.transpose, b.array(2, 3, 4), axes=(0, 1, 2)),
        lambda b: b.tried(np.moveaxis, b.array(2, 3), source=-1, destination=-1),
        lambda b: b.tried(np.moveaxis, b.array(2, 3, 4), source=(0, 2), destination=(0, 2)),
    ],
    "entries_put_back_in_order_are_reshaped": [
        lambda b: b.tried(scatter, b.array(1, 3, 1), None, slice(None), None, shape=(3,)),
        lambda b: b.tried(scatter, b.array(2, 1, 3), ..., None, slice(None), shape=(2, 3)),
        lambda b: b.tried(scatter, b.array(), 0, -1, shape=(1, 1)),
        lambda b: b.tried(scatter, b.array(3, 1), slice(0, 3, 1), shape=(3, 1)),
    ],
    "a_transpose_of_a_product": [
        lambda b: b.tried(np.transpose, b.raw(np.matmul, b.array(2, 3), b.raw(np.transpose, b.array(4, 3))))
    ],
    "a_reshape_of_a_reshape": [
        lambda b: b.tried(np.reshape, b.raw(np.ravel, b.array(2, 3)), shape=(3, 2)),
        lambda b: b.tried(np.squeeze, b.raw(np.expand_dims, b.array(2, 3), axis=1), axis=1),
        lambda b: b.tried(np.reshape, b.array(2, 3), shape=(2, -1)),
    ],
    "leading_axes_of_length_1_come_by_broadcasting": [
        lambda b: b.tried(np.reshape, b.array(3), shape=(1, 3)),
        lambda b: b.tried(np.reshape, b.array(2, 3), shape=(1, 1, 2, 3)),
        lambda b: b.tried(np.expand_dims, b.array(3), axis=0),
    ],
    "leading_axes_of_length_1_leave_a_product": [
        lambda b: b.tried(np.reshape, row(b, b.raw(np.sum, b.array(2, 3), axis=0, keepdims=True)), shape=(3,)),
        lambda b: b.tried(np.squeeze, row(b, b.raw(np.sum, b.array(2, 3), axis=0, keepdims=True), -2), axis=0),
        lambda b: b.tried(np.reshape, row(b, b.array(1)), shape=(3,)),
    ],
    "an_axis_that_is_kept_and_dropped": [
        lambda b: b.tried(np.reshape, b.raw(np.sum, b.array(2, 3), axis=1, keepdims=True), shape=(2,))
    ],
    "a_vector_needs_no_extra_axis": [
        lambda b: b.tried(getitem, b.raw(np.matmul, b.array(2, 3), column(b, b.array(3))), ..., 0),
        lambda b: b.tried(
            getitem,
            b.raw(np.matmul, b.raw(getitem, b.array(2), ..., None, slice(None)), b.array(2, 3)),
            *(..., 0, slice(None)),
        ),
    ],
    "the_mask_of_a_kink_is_that_of_its_result": [
        lambda b: (lambda x: (b.raw(np.maximum, x, 0.2), b.tried(np.greater, x, 0.2))[1])(b.array(9)),
        lambda b: (lambda x: (b.raw(np.minimum, x, 0.2), b.tried(np.less, x, 0.2))[1])(b.array(9)),
    ],
    "arguments_in_one_order": [
        lambda b: b.tried(np.add, 2.0, b.array(3)),
        lambda b: b.tried(np.maximum, *[b.array(3), b.array(3)][::-1]),
    ],
}

# left sides to which a rule must not apply
UNLIKE = {
    "a_choice_of_zero_is_a_product": [
        lambda b: b.tried(np.where, b.array(3, dtype=bool), b.array(3), 0.0),
        lambda b: b.tried(np.where, b.array(3), 1.0, 0.0),
        lambda b: b.tried(np.where, b.array(3, dtype=bool), 1.0, 2.0),
        lambda b: b.tried(np.where, b.array(3, dtype=bool), 1.5, np.float32(0)),
    ],
    "a_sum_begins_with_its_first_summand": [lambda b: b.tried(np.add, 0, b.array(3, dtype=bool))],
    "a_number_needs_no_cast": [
        lambda b: b.tried(cast, b.repeated(b.number(2.5), 3), np.dtype(int)),
        lambda b: b.tried(cast, b.array(3), np.dtype("f")),
    ],
    "signs_and_factors_leave_sums": [
        lambda b: b.tried(np.add, b.array(3), b.scaled(2.0, b.array(3))),
        lambda b: b.tried(np.subtract, b.array(3), b.array(3)),
    ],
    "a_sum_of_equal_entries_is_a_count": [
        lambda b: b.tried(np.sum, b.repeated(b.array(3), 4, 3), axis=0),
        lambda b: b.tried(np.sum, b.repeated(b.array(1, 3), 4, 3), axis=1, keepdims=True),
        lambda b: b.tried(np.sum, b.repeated(b.array(1, 3), 4, 3), axis=0),
        lambda b: b.tried(np.sum, b.repeated(b.array(3), 4, 3), axis=1, keepdims=True),
    ],
    "a_sum_of_one_entry_is_the_entry": [lambda b: b.tried(np.sum, b.array(1, 3), axis=0)],
    "a_transpose_of_a_product": [
        lambda b: b.tried(np.transpose, b.raw(np.matmul, b.array(2, 3), b.array(3, 4))),
        lambda b: b.tried(np.transpose, b.raw(np.matmul, b.array(2), b.raw(np.transpose, b.array(4, 2)))),
        lambda b: b.tried(np.transpose, b.raw(np.hypot, b.array(2, 3), b.raw(np.transpose, b.array(3, 2)))),
    ],
    "a_number_is_a_factor": [
        lambda b: b.tried(np.multiply, b.array(3, dtype=np.float32), np.float64(2)),
        lambda b: b.tried(np.divide, 2.0, b.array(3)),
    ],
    "constants_are_folded": [
        lambda b: b.tried(np.add, b.constant(3, 1), b.constant(3)),
        lambda b: b.tried(np.exp, b.array(3)),
    ],
    "complement_of_a_sigmoid": [
        lambda b: sigmoid(b, False, 1, 1),
        lambda b: sigmoid(b, True, -1, 1),
        lambda b: sigmoid(b, True, 1, 1, np.cosh, numerator=2),
        lambda b: sigmoid(b, True, 1, 1, np.cosh, power=1),
        lambda b: sigmoid(b, True, 1, 1, np.cosh, power=-2),
        lambda b: b.m.normal("product", [(1, {b.array(3): 1, b.array(3): -1})], np.dtype(float)),
    ],
    "what_does_not_vary_leaves_a_sum": [
        lambda b: b.tried(np.sum, b.simple(np.multiply, b.array(1, 3), b.array(2, 3)), axis=0)
    ],
    "shares_add_up_to_one": [
        lambda b: b.tried(np.sum, b.softmax(), axis=1, keepdims=True),
        lambda b: b.tried(np.sum, b.shares(axis=1, keepdims=False), axis=1, keepdims=True),
        lambda b: b.tried(np.sum, b.define(b.simple(np.divide, b.array(3), b.array(3)))),
        lambda b: b.tried(np.sum, b.shares(2), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.shares(b.array(3, 3)), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.shares(power=1), axis=0, keepdims=True),
        lambda b: b.tried(np.sum, b.array(3, 3), axis=0, keepdims=True),
    ],
    "as_many_means_as_entries_are_a_sum": [
        lambda b: means(b, 3, axis=1),
        lambda b: means(b, 4, power=2, axis=1),
        lambda b: means(b, 12, where=np.arange(12).reshape(3, 4) < 6),
        lambda b: means(b, 1, shape=(1, 0), axis=0),
    ],
    "sums_that_cancel": [
        lambda b: b.tried(np.sum, b.simple(np.subtract, b.array(3, 4), b.array(3, 4)), axis=0, keepdims=True)
    ],
    "the_axes_of_a_matrix_swapped_are_a_transpose": [
        lambda b: b.tried(np.swapaxes, b.array(2, 2, 2), axis1=0, axis2=2),
        lambda b: b.tried(np.swapaxes, b.array(2, 2), axis1=0, axis2=0),
    ],
    "a_transpose_of_a_transpose": [
        lambda b: b.tried(np.transpose, b.raw(np.transpose, b.array(2, 2, 2), axes=(1, 0, 2))),
        lambda b: b.tried(np.transpose, b.raw(np.transpose, b.array(2, 2, 2)), axes=(1, 0, 2)),
    ],
    "axes_that_stay_where_they_are": [
        lambda b: b.tried(np.transpose, b.array(2, 2, 2), axes=(1, 0, 2)),
        lambda b: b.tried(np.moveaxis, b.array(2, 2), source=0, destination=1),
    ],
    "entries_put_back_in_order_are_reshaped": [
        lambda b: b.tried(scatter, b.array(3), slice(None, None, -1), shape=(3,)),
        lambda b: b.tried(scatter, b.array(3), [2, 0, 1], shape=(3,)),
        lambda b: b.tried(scatter, b.array(2), slice(1, 3), shape=(3,)),
        lambda b: b.tried(scatter, b.array(3), b.m.constant(np.array([2, 0, 1])), shape=(3,)),
    ],
    "leading_axes_of_length_1_come_by_broadcasting": [
        lambda b: b.tried(np.reshape, b.array(3), shape=(3, 1)),
        lambda b: b.tried(np.reshape, b.array(1, 3), shape=(3,)),
        lambda b: b.tried(np.reshape, b.array(2, 3), shape=(1, 3, 2)),
        lambda b: b.tried(np.reshape, b.array(), shape=(1, 1)),
    ],
    "leading_axes_of_length_1_leave_a_product": [
        lambda b: b.tried(np.reshape, row(b, b.array(1, 3)), shape=(3,)),
        lambda b: b.tried(np.reshape, row(b, b.raw(np.sum, b.array(2, 3), axis=0, keepdims=True)), shape=(3, 1)),
    ],
    "an_axis_that_is_kept_and_dropped": [
        lambda b: b.tried(np.reshape, b.raw(np.sum, b.array(2, 1), axis=1, keepdims=True), shape=(1, 2)),
        lambda b: b.tried(np.reshape, b.raw(np.sum, b.array(2, 1, 3), axis=0), shape=(3,)),
    ],
    "a_sum_of_products_is_an_inner_product": [
        lambda b: b.tried(np.sum, b.raw(np.multiply, b.array(2, 1), b.array(2))),
        lambda b: b.tried(np.sum, b.raw(np.multiply, b.array(2), b.array(2, dtype=np.float32))),
        lambda b: b.tried(np.sum, b.raw(np.multiply, b.array(2), 2.0)),
        lambda b: b.tried(np.sum, b.raw(np.subtract, b.raw(np.square, b.array(2)), b.raw(np.square, b.array(2)))),
        lambda b: b.tried(np.sum, b.raw(np.square, b.array(2, 2)), axis=0),
    ],
    "a_sum_along_an_axis_is_a_product_with_ones": [
        lambda b: b.tried(np.sum, b.repeated(b.array(3), 4, 3), axis=0),
        lambda b: b.tried(np.sum, b.array(2, 3, 4), axis=0),
    ],
    "a_mean_is_a_sum": [
        lambda b: b.tried(np.mean, b.array(2, 3, dtype=bool)),
        lambda b: b.tried(np.mean, b.array(2, 0), axis=0),
    ],
    "the_mask_of_a_kink_is_that_of_its_result": [lambda b: b.tried(np.greater, b.array(3), 0.2)],
    "numbers_leave_products": [lambda b: b.tried(np.divide, 1.0, b.scaled(2.0, b.array(3)))],
    "a_vector_needs_no_extra_axis": [
        lambda b: b.tried(getitem, b.raw(np.matmul, b.array(2, 3), b.array(3, 1)), ..., 0),
        lambda b: b.tried(getitem, b.raw(np.matmul, b.array(2, 3), column(b, b.array(3))), 1, 0),
        lambda b: b.tried(getitem, b.raw(np.matmul, b.array(2, 3), column(b, b.array(4, 3))), ..., 0),
    ],
    "a_mask_is_cast_by_itself": [lambda b: b.tried(np.multiply, b.array(3), True)],
}


def cases(table):
    return [pytest.param(name, make, id=f"{name}-{i}") for name, makes in table.items() for i, make in enumerate(makes)]


def test_every_rule_has_a_case():
    assert set(LEFT) == set(RULES) and len(RULES) == len({*READING, *RUNNING})


def assert_equal_value(bench, e, made, exact, rtol=1e-12):
    values = {**bench.values, **bench.m.constants}
    left, right = evaluate(e, values), evaluate(made, values)
    assert made.shape == e.shape == np.shape(left)
    for part in parts_of([made], values.__contains__):
        assert part.shape == np.shape(evaluate(part, values)) or part.is_atom, part
    np.testing.assert_allclose(
        np.broadcast_to(right, made.shape), left, rtol=1e-5 if e.dtype == "f" else rtol, atol=1e-12
    )
    if exact:
        np.testing.assert_array_equal(right, left)
    written = bench.m.spelled(made)
    np.testing.assert_allclose(np.broadcast_to(evaluate(written, values), made.shape), right, rtol=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "make"), cases(LEFT))
def test_both_sides_have_one_value(name, make):
    rule = RULES[name]
    for seed in range(3):
        bench = Bench(rule, seed)
        e = make(bench)
        assert rule.concerns(e.function)
        made = rule.apply(bench.m, e)
        assert made is not None
        assert_equal_value(bench, e, made, rule.exact)


@pytest.mark.parametrize(("name", "make"), cases(UNLIKE))
def test_side_conditions(name, make):
    bench = Bench(RULES[name])
    assert RULES[name].apply(bench.m, make(bench)) is None


def forms(b):
    """Calls of every kind that rules concern, whose arguments are of every kind that they look into."""
    mask, single = b.array(3, dtype=bool), b.array(3, dtype=np.float32)
    vectors = [b.array(3), single, mask, b.repeated(b.array(1), 3), b.constant(3), b.scaled(-2.0, b.array(3))]
    vectors += [b.simple(np.multiply, b.array(), b.array(3))]
    numbers = [b.number(0), b.number(-1.5), b.number(np.float64(2)), b.array()]
    for f in (np.add, np.subtract, np.multiply, np.divide):
        for x, y in itertools.product([*vectors, *numbers], repeat=2):
            if (x, y) != (mask, mask) and not (f is np.divide and y in (mask, numbers[0])):
                yield b.tried(f, x, y)
    for x in [*vectors, *numbers[1:]]:
        yield from (b.tried(f, x, vectors[0]) for f in (np.greater, np.maximum))
        yield from (b.tried(f, x) for f in (np.negative, np.square, np.absolute, np.exp) if x is not mask)
        yield from (b.tried(np.where, mask, *pair) for pair in ((x, numbers[0]), (numbers[1], x), (x, single)))
        yield from (b.tried(cast, x, np.dtype(d)) for d in "fdi" if x.shape)
    matrices = [
        b.array(2, 3),
        b.array(1, 3),
        b.array(1, 1),
        b.repeated(b.array(1, 3), 2, 3),
        b.repeated(b.array(), 2, 3),
    ]
    matrices += [
        b.simple(np.multiply, b.array(*x), b.array(*y)) for x in ((), (1, 3), (2, 1)) for y in ((2, 3), (2, 1))
    ]
    matrices += [b.raw(f, b.array(2, 3)) for f in (np.square, np.transpose)] + [b.array(2, 3, dtype=bool)]
    matrices += [b.raw(np.multiply, b.array(*shape), b.array(2, 3)) for shape in ((2, 3), (3,))]
    matrices += [b.raw(np.sum, b.array(2, 3), axis=axis, keepdims=True) for axis in (0, 1)]
    for x in matrices:
        for axis, keepdims in itertools.product((None, 0, -1, (0, 1), ()), (False, True)):
            yield from (b.tried(f, x, axis=axis, keepdims=keepdims) for f in (np.sum, np.mean))
        yield b.tried(np.transpose, x)
        yield b.tried(np.transpose, x, axes=(0, 1))
        yield b.tried(np.transpose, b.raw(np.transpose, x, axes=(1, 0)))
        yield b.tried(np.swapaxes, x, axis1=0, axis2=-1)
        yield b.tried(np.swapaxes, x, axis1=1, axis2=1)
        yield b.tried(np.reshape, x, shape=(-1,))
        yield b.tried(np.reshape, x, shape=x.shape[::-1])
        yield b.tried(np.broadcast_to, x, shape=(4, *x.shape))
        yield b.tried(getitem, x, 0)
        yield b.tried(getitem, x, ..., 0)
        for y in matrices[:2]:
            product = b.raw(np.matmul, x, b.raw(np.transpose, y)) if x.shape[1] == y.shape[1] else x
            yield b.tried(np.transpose, product)
            yield b.tried(getitem, product, ..., 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exactly", [False, True])
@pytest.mark.parametrize("rules", [READING, RUNNING], ids=["reading", "running"])
def test_whatever_a_rule_applies_to_keeps_its_value(rules, exactly):
    b = Bench(rules[-1])
    b.m.exactly = exactly
    applied = set()
    for e in forms(b):
        for rule in b.m.rules:
            if rule.concerns(e.function) and exactly <= rule.exact:
                made = rule.apply(b.m, e)
                if made is not None:
                    applied.add(rule.name)
                    assert_equal_value(b, e, made, exactly, rtol=1e-5)
    assert len(applied) > 4


@pytest.mark.parametrize(
    ("c", "d", "shape", "dtype", "factor"),
    [
        (-2.0, 2.0, (3,), float, 2.0),
        (-2.0, -2.0, (3,), float, -2.0),
        (-1.0, -3.0, (3,), float, -1.0),
        (-2.0, 3.0, (3,), float, 1.0),
        (-2.0, 2.0, (2, 1), float, 1.0),  # the sum is larger than they are
        (-2.0, 2.0, (3,), np.float32, 1.0),
    ],
)
def test_the_factor_that_leaves_a_sum(c, d, shape, dtype, factor):
    b = Bench(RULES["signs_and_factors_leave_sums"])
    e = b.tried(np.add, b.scaled(c, b.array(3)), b.scaled(d, b.array(*shape, dtype=dtype)))
    assert factor_of(b.rule.apply(b.m, e))[0] == factor


def test_a_mask_in_a_sum_stays_as_it_is():
    b = Bench(RULES["signs_and_factors_leave_sums"])
    mask = b.array(3, dtype=bool)
    assert mask in b.rule.apply(b.m, b.tried(np.add, b.scaled(-2.0, b.array(3)), mask)).args


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"axis": (0, -1)}, {}),
        ({"axis": (-1,)}, {"axis": 1}),
        ({"axis": -2, "keepdims": True}, {"axis": 0, "keepdims": True}),
        ({"keepdims": True}, {"axis": (0, 1), "keepdims": True}),
        ({"axis": 1, "keepdims": False}, {"axis": 1}),
    ],
)
def test_how_the_axes_of_a_sum_are_written(given, written):
    b = Bench(RULES["axes_are_written_one_way"])
    assert b.rule.apply(b.m, b.tried(np.sum, b.array(2, 3), **given)).options == written


@pytest.mark.parametrize(
    ("n", "dtype", "function"),
    [(9, float, np.vdot), (9, np.float32, np.vdot), (40_000, float, np.vdot), (40_000, np.float32, inner)],
)
def test_a_long_sum_of_products_is_added_up_in_pieces(n, dtype, function):
    b = Bench(RULES["a_sum_of_products_is_an_inner_product"])
    assert b.rule.apply(b.m, b.tried(np.sum, b.raw(np.square, b.array(n, dtype=dtype)))).function is function
    a = np.ones(2**18, np.float32)
    a[0] = 2**26  # a partial sum that holds this loses what is added to it
    assert abs(inner(a, np.ones_like(a)) - a.sum(dtype=float)) < 2**10


def test_exact_rules_alone_are_used_where_a_value_decides():
    bench = Bench(RULES["like_terms_are_added"])
    x = bench.array(3, 2)
    bench.m.exactly = True
    assert bench.simple(np.add, x, x).function is np.add
    assert bench.simple(np.transpose, bench.raw(np.transpose, x)) is x


def test_which_rules_keep_every_bit_and_which_serve_programs_too():
    repeats = {"a_repeat_of_a_repeat", "a_repeat_leaves_an_elementwise_function", "a_repeated_number_keeps_no_order"}
    places = {"axes_that_stay_where_they_are", "a_transpose_of_a_transpose", "a_reshape_of_a_reshape"}
    both = {*repeats, *places, "entries_put_back_in_order_are_reshaped"}
    texts = {"the_axes_of_a_matrix_swapped_are_a_transpose", "leading_axes_of_length_1_come_by_broadcasting"}
    programs = {"an_identity_is_its_argument", "constants_are_folded", "arguments_in_one_order"}
    programs |= {"the_mask_of_a_kink_is_that_of_its_result", "a_mask_is_cast_by_itself"}
    assert {rule.name for rule in RULES.values() if rule.exact} == both | texts | programs
    assert {rule.name for rule in READING if rule.general} == {
        *(*both, "scalars_leave_linear_functions", "a_vector_needs_no_extra_axis")
    }
    assert {*RUNNING} >= {rule for rule in READING if rule.general} >= {*READING} & {*RUNNING}


@pytest.mark.parametrize(
    ("function", "dtype", "jumps"),
    [
        (np.floor, F, True),
        (np.greater, np.dtype(bool), True),
        (np.remainder, F, True),
        (cast, np.dtype(int), True),
        (cast, np.dtype("f"), False),
        (np.exp, F, False),
        (np.maximum, F, False),
    ],
)
def test_what_decides(function, dtype, jumps):
    assert rewrites.deciding(function, dtype, ["a", None, "b"]) == (["a", "b"] if jumps else [])


def test_a_number_as_the_condition_of_a_choice_decides():
    number, truth = np.float64(1), np.True_
    assert rewrites.deciding(np.where, F, [number, truth, 0.0]) == [number]
    assert not rewrites.deciding(np.where, F, [truth, number, number])


def test_a_cast_is_no_identity():
    bench = Bench(RULES["an_identity_is_its_argument"])
    assert not bench.rule.concerns(cast)
