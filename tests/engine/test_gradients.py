"""The gradients that backward leaves: all of a walk or none of it, whatever interrupts it and whoever reads them."""

import dis
import os
import signal
import sys
import threading

import numpy as np
import pytest
from networks import leaf

import minigrad as mg

ENGINE = os.path.join(os.path.dirname(mg.__file__), "engine")


class Interruption(Exception):
    """What is raised in the middle, as Ctrl-C raises KeyboardInterrupt."""


INTERRUPTIBLE = {"RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD"}  # after these the interpreter sees to signals


def interrupted_after(moments, call):
    """Call a function, with an exception after so many interruptible moments in the engine; return whether it came."""
    count, last = iter(range(moments)), {}

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if last.get(frame) in INTERRUPTIBLE and next(count, None) is None:
                raise Interruption
            last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Interruption:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupted_backward_leaves_every_gradient_old_or_every_one_new():
    weights = [leaf(name=f"W{i}") for i in range(3)]
    J = sum(np.sum(W) for W in weights)
    J.backward()
    states, moments = [], 0
    while interrupted_after(moments, J.backward):
        moments += 1
        (state,) = {float(W.grad.flat[0]) for W in weights}
        states.append(state)
    assert states[0] == 1 and states[-1] > 1 and moments > 20


def test_reading_a_gradient_while_other_threads_run_backward_loses_nothing():
    W, stop, rounds = leaf(), threading.Event(), 300
    J = np.sum(W)

    def backward():
        for _ in range(rounds):
            J.backward()

    def read():
        while not stop.is_set():
            W.grad  # noqa: B018 - reading adds up its two parts

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reader, workers = threading.Thread(target=read), [threading.Thread(target=backward) for _ in range(3)]
        for thread in (reader, *workers):
            thread.start()
        for thread in workers:
            thread.join()
        stop.set()
        reader.join()
    finally:
        sys.setswitchinterval(interval)
    assert np.all(W.grad == 3 * rounds)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that a process with threads forks
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")  # where JAX is loaded
def test_a_process_forked_while_a_thread_runs_backward_can_run_it_too():
    W, stop = leaf(), threading.Event()
    J = np.sum(W)

    def backward():
        while not stop.is_set():
            J.backward()

    thread = threading.Thread(target=backward)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                sys.settrace(None)  # which measures coverage, and may wait for the thread
                signal.alarm(5)
                J.backward()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_a_gradient_that_was_zeroed_by_its_holder_starts_anew():
    W = leaf()
    J = np.sum(W)
    J.backward()
    held = W.grad
    held[...] = 0
    J.backward()
    assert np.all(W.grad == 1) and np.all(held == 0)


def test_what_gradients_returns_is_the_caller_s_alone():
    x, y, s = mg.Tensor([1.0, 2.0]), mg.Tensor([3.0, 4.0]), mg.Tensor(2.0)
    J = np.sum((x + y) * s)
    for _ in range(2):  # what was written into the first answers changes no second one
        found = mg.gradients(J, [x, y, x, s])
        assert [g.tolist() for g in found] == [[2, 2], [2, 2], [2, 2], 10]
        for k, g in enumerate(found):
            g[...] = k
        assert [g.tolist() for g in found] == [[0, 0], [1, 1], [2, 2], 3]
    assert x.data.tolist() == [1, 2] and y.data.tolist() == [3, 4]
