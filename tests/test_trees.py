"""Trees: the same leaves whatever the order of keys, the same tree back, and errors that say where two trees differ."""

from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import trees

Layer = namedtuple("Layer", "W b")
TREE = {"layers": [Layer(np.ones(2), None), ()], "scale": 3.0, "rest": {2: (1, 2), "a": []}}


def test_unflatten_gives_back_the_tree_types_and_insertion_order():
    leaves, structure = trees.flatten(TREE)
    again = trees.unflatten(structure, leaves)
    assert list(again) == ["layers", "scale", "rest"] and list(again["rest"]) == [2, "a"]
    assert type(again["layers"]) is list and type(again["layers"][0]) is Layer
    assert again["layers"][0].W is TREE["layers"][0].W and again["layers"][0].b is None
    assert again["layers"][1] == () and again["rest"] == {2: (1, 2), "a": []} and again["scale"] == 3
    assert trees.unflatten(structure, "wxyz") == {
        "layers": [Layer("w", None), ()],
        "rest": {2: ("x", "y"), "a": []},
        "scale": "z",
    }


@pytest.mark.parametrize("tree", [1.0, None, [], (), {}, np.ones(3), mg.Tensor(1.0), "text"])
def test_the_smallest_trees(tree):
    leaves, structure = trees.flatten(tree)
    assert len(leaves) == (0 if tree is None or isinstance(tree, list | tuple | dict) else 1)
    again = trees.unflatten(structure, leaves)
    assert again is tree or (type(again) is type(tree) and len(again) == 0)


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda items: defaultdict(list, items)])
def test_the_order_of_keys_does_not_count_for_leaves_and_is_kept_in_the_structure(kind):
    one, two = kind([("a", 1.0), ("b", 2.0)]), kind([("b", 2.0), ("a", 1.0)])
    (leaves, structure), (others, other) = trees.flatten(one), trees.flatten(two)
    assert leaves == others == [1, 2]
    assert structure != other and structure == trees.flatten(kind([("a", 3.0), ("b", 4.0)]))[1]
    assert list(trees.unflatten(structure, leaves)) == ["a", "b"]
    assert list(trees.unflatten(other, leaves)) == ["b", "a"]


def test_the_order_of_an_ordered_dict_is_asked_at_each_call():
    tree = OrderedDict(a=1.0, b=2.0)
    tree.move_to_end("a")
    assert trees.flatten(tree)[0] == [1, 2] and trees.paths(tree, "p") == ['p["a"]', 'p["b"]']


def test_keys_of_several_types_and_keys_without_an_order():
    one, two = {1: "x", "a": "y", None: "z"}, {None: "z", "a": "y", 1: "x"}
    assert trees.flatten(one)[0] == trees.flatten(two)[0]
    sets = {frozenset("a"): 1.0, frozenset("b"): 2.0}  # < is "subset of", so sorting leaves them as they are
    other = dict(reversed(sets.items()))
    assert trees.match(sets, other, "one", "other") == trees.flatten(sets)[0]


def test_equal_keys_of_two_types_stay_what_they_are():
    for key in (1, True, 1.0, np.int64(1)):
        (again,) = trees.unflatten(trees.flatten({key: 0.0})[1], [0.0])
        assert type(again) is type(key)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([1.0], (1.0,)),
        ([1.0], [1]),
        ([np.ones(2)], [np.ones(3)]),
        ([np.ones(2)], [np.ones(2, np.float32)]),
        ([np.float64(1)], [1.0]),
        ([[1.0], 1.0], [[1.0, 1.0]]),
        ({"a": 1.0}, {"b": 1.0}),
        ([None, 1.0], [1.0, None]),
        (Layer(1.0, 1.0), (1.0, 1.0)),
        ([], {}),
        (None, ()),
    ],
)
def test_other_structures_are_different(one, two):
    assert trees.flatten(one)[1] != trees.flatten(two)[1]


def test_a_structure_is_equal_to_that_of_an_array_of_the_same_shape():
    assert trees.flatten([np.zeros(2), np.float64(0), 1])[1] == trees.flatten([np.ones(2), np.float64(1), 2])[1]


def test_map_pairs_dictionaries_by_key_and_sequences_by_position():
    one = {"a": 1.0, "b": [2.0, (3.0, None)]}
    two = {"b": (20.0, [30.0, None]), "a": 10.0}
    assert trees.map(lambda x, y: x + y, one, two) == {"a": 11, "b": [22, (33, None)]}
    assert list(trees.map(lambda y, x: x + y, two, one)) == ["b", "a"]


def test_paths():
    assert trees.paths(TREE, "p") == ['p["layers"][0][0]', 'p["rest"][2][0]', 'p["rest"][2][1]', 'p["scale"]']
    assert trees.paths(1.0, "x") == ["x"] and trees.paths(None, "x") == []
    assert trees.paths({'"': 1.0}, "p") == ["p['\"']"]


@pytest.mark.parametrize(
    ("other", "place", "difference"),
    [
        ({"layer": {"b": 1.0}}, '["layer"]["W"]', 'is missing: p["layer"] has the keys {"W", "b"}, g["layer"] has'),
        ({}, '["layer"]', 'is missing: p has the keys {"layer"}, g has the keys {}'),
        ({"layer": {"W": np.ones((3, 1)), "b": 1.0}}, '["layer"]["W"]', 'has shape (3, 1), p["layer"]["W"] (3,)'),
        ({"layer": {"W": mg.Tensor([1.0]), "b": 1.0}}, '["layer"]["W"]', 'has shape (1,), p["layer"]["W"] (3,)'),
        ({"layer": {"W": None, "b": 1.0}}, '["layer"]["W"]', 'is None, p["layer"]["W"] array (3,) float64'),
        ({"layer": [1.0, 1.0]}, '["layer"]', 'is a list, p["layer"] a dict'),
        ({"layer": {"W": [1.0] * 3, "b": 1.0}}, '["layer"]["W"]', 'is a list, p["layer"]["W"] array (3,) float64'),
        (None, "", "is None, p a dict"),
    ],
)
def test_another_structure_is_an_error_that_names_the_place(other, place, difference):
    with pytest.raises(ValueError) as error:
        trees.match({"layer": {"W": np.ones(3), "b": 0.0}}, other, "p", "g")
    assert str(error.value).startswith(f"g{place} {difference}")


def test_what_is_there_beyond_the_structure_is_named_too():
    with pytest.raises(ValueError, match=r'p\["c"\] is missing: g has the keys \{"a", "c"\}, p has the keys \{"a"\}'):
        trees.match({"a": 1.0}, {"a": 1.0, "c": 2.0}, "p", "g")


def test_another_length_is_an_error_that_names_the_place():
    with pytest.raises(ValueError, match=r"tree1\[1\] is missing: tree0 has the length 2, tree1 has the length 1"):
        trees.map(max, [1.0, 2.0], [1.0])
