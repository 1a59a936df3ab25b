import os
from pathlib import Path

from components.ingest_videos import journal
from components.ingest_videos.journal import Journal, MemberKey
from components.ingest_videos.listing import Located


def test_videos_and_their_folder_reach_the_disk_before_the_rows_that_tell_of_them(tmp_path: Path, monkeypatch) -> None:
    rows, synced = tmp_path / "members.jsonl", []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), rows.read_text()))
        fsync(descriptor)

    monkeypatch.setattr(journal.os, "fsync", noted)
    videos = [tmp_path / "videos" / name for name in ("a.avi", "b.avi")]
    videos[0].parent.mkdir()
    for video in videos:
        video.write_bytes(b"video")

    with rows.open("a") as file:
        entries = Journal(file)
        for video in videos:
            entries.note(MemberKey(video.name, 5, 0), Located(uri=str(video), sha256="00", bytes=5))
        entries.flush()

    *before, last = synced
    assert {path for path, _ in before} == {*videos, videos[0].parent}
    assert all(text == "" for _, text in before)
    assert last[0] == rows
    assert last[1].count("\n") == 2
