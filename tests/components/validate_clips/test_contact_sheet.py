import re
import shutil
import subprocess

import numpy as np
import pytest
import simplejpeg

from components.contract.clip_record import ClipRecord, encoded, framed
from components.contract.clips import read_clip_table, read_clips
from components.contract.errors import StepError
from components.validate_clips.contact_sheet import contact_sheet
from components.validate_clips.page import page_text


@pytest.fixture
def pictured(rows, write_clips):
    """Finished clips of real records: 7 frames of 24x40, brighter from frame to frame."""
    frames = [simplejpeg.encode_jpeg(np.full((24, 40, 3), 30 * place, np.uint8)) for place in range(7)]
    rows = [row for row in rows if row.group.endswith(("g0", "g6", "g8"))]
    placed = []
    content: dict[str, bytes] = {}
    for row in rows:
        position = sum(other.shard == row.shard for other in placed)
        record = ClipRecord(
            frames=frames,
            label_index=row.label_index,
            label=row.label,
            group=row.group,
            split=row.split,
            video=row.video,
            video_digest=row.video_digest,
            clip_index=0,
            timestamps_s=[0.1 * place for place in range(7)],
        )
        content[row.shard] = content.get(row.shard, b"") + framed(encoded(record))
        placed.append(type(row)(**{**vars(row), "position": position}))
    folder, _ = write_clips(placed)
    for shard, data in content.items():
        (folder / shard).write_bytes(data)
    return folder


def test_every_class_has_sampled_clips_and_two_sheets_are_the_same(pictured):
    table, labels = read_clip_table(pictured), read_clips(pictured, checksums=False).labels

    strips = contact_sheet(pictured, table, labels)

    assert [strip.label for strip in strips] == ["Run", "Run", "Sit", "Sit", "Walk", "Walk"]
    assert contact_sheet(pictured, table, labels) == strips


def test_shard_that_is_cut_is_an_error_that_names_it(pictured):
    for shard in pictured.glob("*.tfrecord"):
        shard.write_bytes(shard.read_bytes()[:40])

    with pytest.raises(StepError, match="holds no clip at position"):
        contact_sheet(pictured, read_clip_table(pictured), ("Run", "Sit", "Walk"))


def test_of_ten_thousand_classes_evenly_spaced_ones_are_shown_and_the_page_stays_light(pictured):
    table = read_clip_table(pictured)
    labels = ("Run", *(f"class_{number:05}" for number in range(10_000)), "Sit", "Walk")

    strips = contact_sheet(pictured, table, labels)
    text = page_text(table, labels=labels, findings=[], accepted=None, strips=strips * 60)

    assert {strip.label for strip in strips} == {"Run"}
    assert len(text) < 4_000_000


def test_pictures_are_there_in_chromium(pictured, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("There is no chromium on the PATH; install it to see that the pictures are shown.")
    table = read_clip_table(pictured)
    strips = contact_sheet(pictured, table, ("Run", "Sit", "Walk"))
    text = page_text(table, labels=("Run", "Sit", "Walk"), findings=[], accepted=None, strips=strips)
    # the page itself allows no script; the copy that is looked at may measure its pictures
    text = text.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    measure = "document.title = [...document.images].map(image => image.naturalWidth).join(' ')"
    (tmp_path / "seen.html").write_text(f"{text}<script>onload = () => {{ {measure} }}</script>")

    opened = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "seen.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )  # fmt: skip

    widths = re.search(r"<title>(.*?)</title>", opened.stdout)
    assert widths is not None
    assert widths.group(1) == " ".join(["720"] * 6)
    assert "CONSOLE" not in opened.stderr
