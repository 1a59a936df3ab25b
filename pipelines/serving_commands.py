"""What is served, taking it back, and asking it: `reelflow models`, `rollback` and `predict`."""

import csv
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.messages import FAILED, told
from pipelines.options import examples, json_option, work_dir_option
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.serving.directory import ServingDirectory
    from components.serving.prediction import Prediction

_LINE_EVERY_S = 5.0

_serving_dir_option = click.option(
    "--serving-dir", metavar="DIR", help="Folder or gs:// address of the versions; default: that of the work folder."
)


@click.command(
    epilog=examples(
        "reelflow models",
        "reelflow models --serving-dir gs://bucket/models/actions --json",
        "reelflow models --for kserve --base-path gs://bucket/models/actions | kubectl apply -f -",
    )
)
@_serving_dir_option
@click.option(
    "--for",
    "server",
    type=click.Choice(["tf-serving", "kserve"]),
    help="Print what that server is told, naming the served version, in place of the list.",
)
@click.option("--base-path", metavar="DIR", help="Where that server sees the versions; default: the serving directory.")
@work_dir_option
@json_option
def models(serving_dir: str | None, server: str | None, base_path: str | None, work_dir: str, as_json: bool) -> None:
    """Say which versions there are, which one is served, since when and why."""
    from components.serving.server_files import kserve_manifest, tf_serving_config
    from pipelines.console import number, table

    with told():
        directory = _directory(serving_dir, work_dir)
        if server:
            served = directory.served(warn=_warn)
            if served is None:
                click.echo(f"Nothing is served from {directory.uri}.", err=True)
                sys.exit(FAILED)
            where = base_path or directory.uri
            told_server = {
                "tf-serving": lambda: tf_serving_config(where, version=served.version).decode(),
                "kserve": lambda: kserve_manifest(where, version=served.version),
            }
            click.echo(told_server[server](), nl=False)
            return
        rows = _versions(directory)
    if as_json:
        click.echo(json.dumps(rows))
    else:
        shown = [{**row, "served": "▶" if row["served"] else "", "model": row["model_digest"][:12]} for row in rows]
        for row in shown:
            del row["model_digest"]
            row["accuracy"] = number(row["accuracy"])
        click.echo(table(shown) or f"No version in {directory.uri} yet.")


@click.command(
    epilog=examples("reelflow rollback --why 'confuses sitting and standing'", "reelflow rollback 3 --why …")
)
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--why", required=True, metavar="SENTENCE", help="Kept in the history.")
@_serving_dir_option
@work_dir_option
@json_option
def rollback(version: int | None, why: str, serving_dir: str | None, work_dir: str, as_json: bool) -> None:
    """Serve an earlier version again: the given one, or the one before.

    Servers that follow `<serving dir>.accepted/models.config` change over. The version that was left is not pushed
    again by a run that comes to the same model.
    """
    with told():
        directory = _directory(serving_dir, work_dir)
        served = directory.roll_back(version, why=why)
    click.echo(json.dumps({"served": served}) if as_json else f"Version {served} is served from {directory.uri}.")


@click.command(
    epilog=examples(
        "reelflow predict .reelflow/serving/video_classifier clip.mp4 more/",
        "reelflow predict gs://bucket/models/actions gs://bucket/new/ --format csv > answers.csv",
    )
)
@click.argument("model")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True,
    help="json prints one object per line.",
)  # fmt: skip
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1), help="Labels to show.")
@click.option("--workers", default=0, type=click.IntRange(min=0), help="Videos decoded at a time; 0: all.")
def predict(model: str, videos: tuple[str, ...], form: str, top: int, workers: int) -> None:
    """Ask a model what videos show.

    MODEL is a serving directory (its served version is asked), one of its versions, or a run's model folder. VIDEO is a
    file, a folder, or either at gs://. Exit code 1 where a video could not be read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with told():
        from components.serving.prediction import Predictor, local_model

        found = list(_videos(videos))
        if not found:
            raise click.UsageError(f"There is no video in {', '.join(videos)}.")
        with local_model(model) as saved_model:
            predictor = Predictor(saved_model)
            answers = predictor.predict_all(found, workers=workers or os.cpu_count() or 1)
            unread = _print_answers(_counted(answers, len(found)), form=form, top=top, labels=predictor.served.labels)
    if unread:
        click.echo(f"{unread} of {len(found)} videos could not be read.", err=True)
        sys.exit(FAILED)


def _print_answers(answers: Iterator["Prediction"], *, form: str, top: int, labels: Sequence[str]) -> int:
    """Print each answer as it comes; return how many videos could not be read."""
    unread = 0
    table = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        table.writerow(["video", "label", "reason", *labels])
    for answer in answers:
        unread += answer.label is None
        if form == "json":
            click.echo(json.dumps(asdict(answer)))
        elif form == "csv":
            numbers = [f"{answer.probabilities.get(label, float('nan')):.6f}" for label in labels]
            table.writerow([answer.video, answer.label or "", answer.reason, *numbers])
        else:
            best = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])[:top]
            shown = "  ".join(f"{label} {probability:.3f}" for label, probability in best)
            click.echo(f"{answer.video}  {shown or answer.reason}")
    return unread


def _counted(answers: Iterator["Prediction"], total: int) -> Iterator["Prediction"]:
    """Hand answers on and say every few seconds how far they are."""
    started = said = time.monotonic()
    for done, answer in enumerate(answers, 1):
        yield answer
        now = time.monotonic()
        if now - said >= _LINE_EVERY_S:
            said, rate = now, done / (now - started)
            click.echo(f"{done}/{total} videos · {rate:.1f}/s · {(total - done) / rate:.0f} s left", err=True)


def _videos(names: Sequence[str]) -> Iterator[str]:
    """Return the videos that were named: files as they are, of folders what looks like a video inside."""
    from components.contract.buckets import find_file, is_bucket_uri, list_files
    from components.video.containers import HEAD_BYTES, container_of

    for name in names:
        if is_bucket_uri(name):
            if not name.endswith("/") and find_file(name):
                yield name
            else:
                yield from (file.uri for file in list_files(name))
        elif Path(name).is_dir():
            for path in sorted(path for path in Path(name).rglob("*") if path.is_file()):
                with path.open("rb") as file:
                    if container_of(file.read(HEAD_BYTES)):
                        yield str(path)
        elif Path(name).exists():
            yield name
        else:
            raise click.UsageError(f"{name} is not there.")


def _versions(directory: "ServingDirectory") -> list[dict[str, Any]]:
    """Return one row per complete version, the newest first."""
    history, withdrawn = directory.history(), directory.withdrawn()
    served = directory.served(warn=_warn)
    newest = {entry.version: entry for entry in history}
    rows = []
    for version in reversed(directory.complete_versions()):
        record, entry = directory.record(version), newest.get(version)
        rows.append(
            {
                "version": version,
                "served": served is not None and served.version == version,
                "since": entry.at[:19] if entry else "",
                "accuracy": record.verdict.get("scores", {}).get("accuracy", ""),
                "model_digest": record.model_digest,
                "why": f"Rolled back: {withdrawn[version]}" if version in withdrawn else entry.why if entry else "",
            }
        )
    return rows


def _directory(serving_dir: str | None, work_dir: str) -> "ServingDirectory":
    from components.serving.directory import ServingDirectory

    return ServingDirectory(serving_dir or str(Workspace.at(work_dir).serving))


def _warn(text: str) -> None:
    click.echo(text, err=True)
