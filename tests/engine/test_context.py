"""no_grad and scope stay in their thread and their task, and end with an exception."""

import asyncio
import gc
import threading
import time

import pytest
from networks import leaf

import minigrad as mg
from minigrad.engine.context import collection_paused


def test_no_grad_and_scope_stay_in_their_thread():
    W, seen, inside, done = leaf(), {}, threading.Event(), threading.Event()

    def other():
        inside.wait()
        seen["other"] = (W * 2).scope, (W * 2).requires_grad
        with mg.scope("other"):
            done.set()
            time.sleep(0.01)

    thread = threading.Thread(target=other)
    thread.start()
    with mg.no_grad(), mg.scope("main"):
        inside.set()
        done.wait()
        seen["main"] = (W * 2).requires_grad
    with mg.scope("main"):
        seen["scope"] = (W * 2).scope
    thread.join()
    assert seen == {"other": ((), True), "main": False, "scope": ("main",)}


def test_no_grad_and_scope_stay_in_their_task():
    W = leaf()

    async def task(name, grad):
        with mg.scope(name) if grad else mg.no_grad():
            await asyncio.sleep(0)
            first = W * 2
            await asyncio.sleep(0)
            return first.scope, first.requires_grad, (W * 2).requires_grad

    async def main():
        with mg.scope("main"):
            return await asyncio.gather(task("a", True), task("b", False), task("c", True))

    assert asyncio.run(main()) == [(("main", "a"), True, True), ((), False, False), (("main", "c"), True, True)]
    assert (W * 2).scope == ()


def test_no_grad_and_scope_end_with_an_exception_and_nest():
    W = leaf()
    with pytest.raises(KeyError), mg.no_grad(), mg.scope("a"):
        raise KeyError
    assert (W * 2).requires_grad and (W * 2).scope == ()
    with mg.scope("a"), mg.scope("b"):
        assert (W * 2).scope == ("a", "b")

    @mg.no_grad()
    def evaluate():
        return W * 2

    assert not evaluate().requires_grad and not evaluate().requires_grad


@pytest.mark.parametrize(
    "regions", [(mg.no_grad, mg.no_grad), (mg.no_grad, lambda: mg.scope("a")), (mg.debug, mg.no_grad)]
)
def test_contexts_that_end_in_another_order_leave_recording_as_it_was(regions):
    def held(region):
        with region():
            yield

    first, second = map(held, regions)
    with mg.scope("outer"):
        next(first), next(second)
        first.close()
        assert (leaf() * 2).requires_grad == (regions[1] is not mg.no_grad)
        second.close()
        assert (leaf() * 2).scope == ("outer",) and (leaf() * 2).requires_grad
    assert (leaf() * 2).scope == ()


def test_a_context_ends_where_it_began():
    region, said = mg.no_grad(), []

    def end():
        try:
            region.leave()
        except RuntimeError as error:
            said.append(str(error))

    with region:
        thread = threading.Thread(target=end)
        thread.start()
        thread.join()
    assert len(said) == 1 and said[0].startswith("no_grad ends in a thread or task that has not entered it")
    assert (leaf() * 2).requires_grad


@pytest.mark.parametrize("enabled", [True, False])
def test_collection_goes_on_as_before_a_pause(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyboardInterrupt), collection_paused():
            with collection_paused():
                pass
            assert not gc.isenabled()
            raise KeyboardInterrupt
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
