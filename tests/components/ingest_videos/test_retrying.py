import pytest

from components.contract.errors import StepError
from components.ingest_videos import retrying
from components.ingest_videos.retrying import UnreachableError, persistently


@pytest.fixture
def waits(monkeypatch):
    """How long was waited, in place of waiting."""
    waited: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", waited.append)
    return waited


def failing(**options):
    def work():
        raise UnreachableError("HTTP 503", **options)

    return work


def test_waits_grow_and_no_two_workers_wait_alike(waits):
    for _ in range(20):
        with pytest.raises(StepError, match="could not be fetched in 4 tries"):
            persistently(failing(), what="a.avi")

    first, second, third = (waits[place::3] for place in range(3))
    assert all(0.125 <= wait <= 0.25 for wait in first)
    assert all(0.5 <= wait <= 1.0 for wait in second)
    assert all(2.0 <= wait <= 4.0 for wait in third)
    assert all(len(set(of_one_try)) == 20 for of_one_try in (first, second, third))


def test_what_a_server_asks_for_is_waited_for(waits):
    with pytest.raises(StepError):
        persistently(failing(retry_after_s=30.0), what="a.avi")

    assert waits == [30.0, 30.0, 30.0]


def test_server_that_asks_for_a_longer_wait_is_not_waited_for(waits):
    with pytest.raises(StepError, match=r"in 1 try .*asks to wait 600 s"):
        persistently(failing(retry_after_s=600.0), what="a.avi")

    assert waits == []
