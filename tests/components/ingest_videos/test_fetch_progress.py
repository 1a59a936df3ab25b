import pytest

from components.ingest_videos.fetch_progress import FetchProgress


def test_a_line_every_few_seconds_says_bytes_videos_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = FetchProgress(n_bytes=60_000_000, n_videos=3, clock=lambda: now[0])

    for second in range(1, 7):
        now[0] = float(second)
        progress.count(10_000_000, n_videos=second % 2)

    assert capsys.readouterr().out.splitlines() == [
        "progress: 1/3 videos · 20.0 of 60.0 MB · 10.0 MB/s · 4 s left",
        "progress: 2/3 videos · 40.0 of 60.0 MB · 10.0 MB/s · 2 s left",
        "progress: 3/3 videos · 50.0 of 60.0 MB · 10.0 MB/s · 1 s left",
    ]


def test_a_download_that_goes_on_counts_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = FetchProgress(n_bytes=100_000_000, n_bytes_before=50_000_000, of="the archive", clock=lambda: now[0])

    now[0] = 2.0
    progress.count(10_000_000)

    assert capsys.readouterr().out == "progress: 60.0 of 100.0 MB of the archive · 5.0 MB/s · 8 s left\n"


def test_where_nobody_knows_the_size_no_time_left_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = FetchProgress(n_bytes=None, of="the archive", clock=lambda: now[0])

    now[0] = 2.0
    progress.count(10_000_000)

    assert capsys.readouterr().out == "progress: 10.0 MB of the archive · 5.0 MB/s\n"
