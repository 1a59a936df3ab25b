"""Doing again what the network failed."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from components.contract.errors import StepError

_WAITS_S = (0.25, 1.0, 4.0)  # at most, before the second, third and fourth try
_LONGEST_WAIT_S = 120.0  # a server that asks for more is not waited for

_Result = TypeVar("_Result")


class UnreachableError(Exception):
    """A server did not give what was asked, and may when it is asked again; the text names no address.

    Args:
        reason: What happened.
        retry_after_s: What the server asks to wait, in seconds.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def _nothing() -> int:
    return 0


def persistently(work: Callable[[], _Result], *, what: str, done: Callable[[], int] = _nothing) -> _Result:
    """Do `work`, again after a wait when it raises UnreachableError.

    Waits grow and vary at random, so that many workers do not ask again all at once; what a server asks for with
    Retry-After is kept.

    Args:
        work: Called again for each try.
        what: Names it in the error.
        done: How much is done; the count of tries begins anew whenever a try did some.

    Raises:
        StepError: When the last try failed too, or the server asks for a longer wait than two minutes.
    """
    n_failed, before = 0, done()
    while True:
        try:
            return work()
        except UnreachableError as error:
            failure = error
        n_failed = 1 if done() > before else n_failed + 1
        before = done()
        if n_failed > len(_WAITS_S) or failure.retry_after_s > _LONGEST_WAIT_S:
            break
        time.sleep(max(failure.retry_after_s, _WAITS_S[n_failed - 1] * random.uniform(0.5, 1.0)))
    asked = f", which asks to wait {failure.retry_after_s:.0f} s" if failure.retry_after_s else ""
    raise StepError(
        f"{what} could not be fetched in {n_failed} {'try' if n_failed == 1 else 'tries'} ({failure}{asked}).",
        remedy="Run again when the server answers: what was fetched is kept.",
    )
