"""README's chapter on clusters, followed word by word against the fake cluster and a real bucket server."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

README = Path(__file__).resolve().parents[2] / "README.md"
HOST = "http://localhost:8080"
BUCKET = "gs://my-bucket"
Call = Callable[..., Result]


def chapter() -> str:
    text = README.read_text().partition("### On a cluster\n")[2]
    return re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]


def commands() -> Iterator[list[str]]:
    for block in re.findall(r"```sh\n(.*?)```", chapter(), flags=re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == [".venv/bin/reelflow"]:
                yield words[1:]


@pytest.mark.cluster
def test_commands_of_the_chapter_work_word_by_word(
    host: str,
    fake: Any,
    call: Call,
    gcs_bucket: str,
    leave: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verbs = {words[0] for words in commands()}
    if "rerun" not in verbs:
        pytest.skip("README's chapter on clusters tells of no rerun")
    (schedule,) = re.findall(r"```yaml\n(.*?)```", chapter(), flags=re.DOTALL)
    (tmp_path / "schedule.yaml").write_text(schedule)
    monkeypatch.chdir(tmp_path)

    for words in commands():
        if words[0] == "logs":
            leave(next(iter(fake.runs)), root=f"{gcs_bucket}/runs")
        done = call(*(word.replace(HOST, host).replace(BUCKET, gcs_bucket) for word in words))
        assert done.exit_code == 0, f"{words}: {done.output}"

    assert {"submit", "runs", "logs", "rerun", "terminate", "retry", "schedule"} <= verbs
    assert not fake.recurring
