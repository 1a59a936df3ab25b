import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

HOSTILE = "<script>alert('x')</script>\"&"


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def tags_of(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.found


def test_page_names_findings_before_counts_and_distributions(rows, change, check, tmp_path):
    check(change(rows, lambda row: row.video == "v_Sit_g7_c1.avi", group="Sit/g0"))

    text = (tmp_path / "page.html").read_text()
    order = [text.index(part) for part in ("not fit to train on", "Sit/g0", "Clips per class", "Distributions per")]
    assert order == sorted(order)


def test_page_draws_every_quantity_in_every_split(rows, check, tmp_path):
    check(rows)

    text = (tmp_path / "page.html").read_text()
    labelled = [attributes["aria-label"] for tag, attributes in tags_of(text) if attributes.get("role") == "img"]
    assert len(labelled) == 8 * 3
    assert "Brightness in train: median 106, 90 to 120 over all splits" in labelled


def test_page_refers_to_nothing_outside_itself(rows, check, tmp_path):
    check(rows)

    text = (tmp_path / "page.html").read_text()
    tags = tags_of(text)
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not [name for _, attributes in tags for name in attributes if name in ("src", "href", "srcset", "action")]
    assert not re.search(r"https?://|@import|url\(", text)
    assert len(text) < 1_000_000


def test_hostile_names_are_shown_and_not_obeyed(rows, change, check, tmp_path):
    labels = (HOSTILE, "Sit", "Walk")
    hostile = change(rows, lambda row: row.label == "Run", label=HOSTILE, group=HOSTILE, video=HOSTILE, luma=1.0)

    check(hostile, labels=labels)

    text = (tmp_path / "page.html").read_text()
    assert not [tag for tag, _ in tags_of(text) if tag == "script"]
    assert "&lt;script&gt;" in text
    assert not [name for _, attributes in tags_of(text) for name in attributes if name.startswith("on")]


def test_page_opens_in_chromium_without_complaint(rows, change, check, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("There is no chromium on the PATH; install it to see that the page opens.")
    check(change(rows, lambda row: row.label == "Run", label=HOSTILE), labels=(HOSTILE, "Sit", "Walk"))

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    page = (tmp_path / "page.html").as_uri()
    opened = subprocess.run(
        [chromium, *flags, "--enable-logging=stderr", "--dump-dom", page],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "CONSOLE" not in opened.stderr
    assert opened.stdout.count("<figure>") == 8 * 3
