import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.readings.compile import compile as compiled

TARGET = np.array([3.0, -1.0, 0.5])


def loss(params):
    return np.sum(np.square(params["w"] - TARGET) * np.array([1.0, 10.0, 0.1])) + np.sum(params["b"][0] ** 4)


def start(dtype=np.float64):
    return {"w": np.zeros(3, dtype), "b": [np.ones((2, 2), dtype)]}


def trained(optimizer, steps, params):
    state = optimizer.init(params)
    for _ in range(steps):
        params, state = optimizer.update(mg.grad(loss)(params), state, params)
    return params, state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optim.sgd(0.01), lambda torch, p: torch.optim.SGD(p, lr=0.01)),
        (optim.sgd(0.01, momentum=0.9), lambda torch, p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        (
            optim.sgd(0.01, momentum=0.5, weight_decay=0.1),
            lambda torch, p: torch.optim.SGD(p, lr=0.01, momentum=0.5, weight_decay=0.1),
        ),
        (optim.adam(0.1), lambda torch, p: torch.optim.Adam(p, lr=0.1)),
        (
            optim.adam(0.1, beta1=0.5, beta2=0.9, eps=1e-3),
            lambda torch, p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-3),
        ),
    ],
)
def test_twenty_steps_agree_with_pytorch(ours, theirs):
    torch = pytest.importorskip("torch")
    params, _ = trained(ours, 20, start())
    w, b = (torch.tensor(a, requires_grad=True) for a in (start()["w"], start()["b"][0]))
    optimizer = theirs(torch, [w, b])
    for _ in range(20):
        optimizer.zero_grad()
        value = torch.sum((w - torch.tensor(TARGET)) ** 2 * torch.tensor([1.0, 10.0, 0.1])) + torch.sum(b**4)
        value.backward()
        optimizer.step()
    np.testing.assert_allclose(params["w"], w.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(params["b"][0], b.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("optimizer", [optim.sgd(0.05, momentum=0.8), optim.adam(0.1)])
def test_it_finds_the_minimum(optimizer):
    params, _ = trained(optimizer, 500, start())
    np.testing.assert_allclose(params["w"], TARGET, atol=1e-2)


@pytest.mark.parametrize("optimizer", [optim.sgd(0.1, 0.9, 0.1), optim.adam()])
def test_nothing_is_changed_in_place_and_float32_stays(optimizer):
    params = start(np.float32)
    grads = {"w": np.ones(3, np.float32), "b": [np.ones((2, 2), np.float32)]}
    state = optimizer.init(params)
    first = optimizer.update(grads, state, params)
    again = optimizer.update(grads, state, params)
    np.testing.assert_array_equal(first[0]["w"], again[0]["w"])
    np.testing.assert_array_equal(params["w"], np.zeros(3))
    assert first[0]["w"].dtype == first[0]["b"][0].dtype == np.float32
    for optimiser_state in (first[1], state):
        leaves = optimiser_state.mean if isinstance(optimiser_state, optim.AdamState) else optimiser_state
        assert leaves["w"].dtype == np.float32


def test_adam_takes_a_first_step_of_the_learning_rate_whatever_the_scale():
    init, update = optim.adam(lr=0.01)
    params = [np.zeros(2)]
    params, state = update([np.array([1e-4, -1e4])], init(params), params)
    np.testing.assert_allclose(params[0], [-0.01, 0.01], rtol=1e-3)
    assert state.step == 1


@pytest.mark.parametrize("optimizer", [optim.sgd(0.1, momentum=0.9), optim.adam()])
def test_dictionaries_are_paired_by_key_and_none_is_no_parameter(optimizer):
    params = {"a": np.zeros(2), "b": np.zeros(2), "c": None}
    grads = {"c": None, "b": np.full(2, 7.0), "a": np.ones(2)}
    state = optimizer.init(dict(reversed(params.items())))
    again, _ = optimizer.update(grads, state, params)
    expected, _ = optimizer.update({key: grads[key] for key in params}, optimizer.init(params), params)
    assert list(again) == ["a", "b", "c"] and again["c"] is None
    np.testing.assert_array_equal(again["a"], expected["a"])
    np.testing.assert_array_equal(again["b"], expected["b"])
    assert optim.sgd(1.0).update(grads, optim.sgd(1.0).init(params), params)[0]["a"].tolist() == [-1, -1]


def test_parameters_in_a_list_take_gradients_in_a_tuple():
    params = [np.ones(2), np.ones(1)]
    init, update = optim.sgd(1.0)
    grads = mg.grad(lambda w, b: np.sum(w * b), (0, 1))(*params)
    params, _ = update(grads, init(params), params)
    assert type(params) is list and params[0].tolist() == [0, 0] and params[1].tolist() == [-1]


@pytest.mark.parametrize("optimizer", [optim.sgd(0.1), optim.adam()])
def test_gradients_that_do_not_fit_are_refused_by_name(optimizer):
    params = {"layer": {"W": np.zeros(3)}}
    state = optimizer.init(params)
    with pytest.raises(ValueError, match=r'grads\["layer"\]\["W"\] has shape \(3, 1\), .* \(3,\)'):
        optimizer.update({"layer": {"W": np.zeros((3, 1))}}, state, params)
    with pytest.raises(ValueError, match=r'grads\["layer"\]\["W"\] is missing: params\["layer"\] has'):
        optimizer.update({"layer": {}}, state, params)
    with pytest.raises(ValueError, match=r'params\["b"\] is missing: grads has'):
        optimizer.update({"layer": {"W": np.zeros(3)}, "b": np.zeros(1)}, state, params)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("optimizer", [optim.sgd(0.1, 0.9, 0.01), optim.adam(0.01)])
def test_a_whole_training_step_compiles(optimizer, dtype):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(20, 4)).astype(dtype), rng.integers(3, size=20)
    params = {"W1": nn.he_normal(rng, (4, 8), dtype), "b1": np.zeros(8, dtype), "W2": nn.he_normal(rng, (8, 3), dtype)}

    def step(params, state, x, labels):
        def loss(p):
            return nn.cross_entropy(nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"], labels)

        value, grads = mg.value_and_grad(loss)(params)
        return value, *optimizer.update(grads, state, params)

    fast, eager, quick = compiled(step), (params, optimizer.init(params)), (params, optimizer.init(params))
    for _ in range(5):
        value, *eager = step(*eager, x, labels)
        fast_value, *quick = fast(*quick, x, labels)
        np.testing.assert_allclose(fast_value, value, rtol=100 * np.finfo(dtype).eps)
    for name in params:
        assert quick[0][name].dtype == dtype
        np.testing.assert_allclose(quick[0][name], eager[0][name], rtol=1e-4 if dtype is np.float32 else 1e-12)
