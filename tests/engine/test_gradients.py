"""The gradients that backward leaves: all of a walk or none of it, whatever interrupts it and whoever reads them."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from networks import leaf


class Interruption(Exception):
    """What the alarm raises, as Ctrl-C raises KeyboardInterrupt."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an interval timer")
def test_an_interrupted_backward_leaves_every_gradient_old_or_every_one_new():
    def interrupt(*_):
        raise Interruption

    weights = [leaf(name=f"W{i}") for i in range(30)]
    J = sum(np.sum(W) for W in weights)
    before, states = signal.signal(signal.SIGALRM, interrupt), set()
    try:
        for k in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 2e-6 * (1 + k % 100))
                J.backward()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interruption:
                pass
            counts = {0.0 if W.grad is None else float(W.grad.flat[0]) for W in weights}
            assert len(counts) == 1
            states |= counts
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 1 < len(states) < 300  # some were interrupted, and some were not


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that a process with threads forks
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
