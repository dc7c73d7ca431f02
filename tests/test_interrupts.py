from __future__ import annotations

import os
import signal
import time
import weakref

import pytest

from harness.interrupts import Interrupts


class Thing:
    """Something that can be referred to weakly."""


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # signals are heard between two steps of the interpreter


def test_an_interrupt_is_put_off_to_the_end_of_a_shield() -> None:
    steps = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        with interrupts.shield():
            interrupt()
            steps.append("whole")
        steps.append("never")
    assert steps == ["whole"]


def test_only_the_first_interrupt_counts() -> None:
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupt()


def test_an_interrupt_that_python_drops_in_a_callback_comes_again() -> None:
    with Interrupts():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: interrupt())
        with pytest.raises(KeyboardInterrupt):
            del thing
            assert reference() is None
            time.sleep(5)


def test_handlers_are_as_they_were_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
