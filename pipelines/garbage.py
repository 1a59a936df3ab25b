"""What may be removed: old runs that no kept run needs, and store entries that no run needs."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from components.contract.videos import URIS_NAME
from pipelines.runs import Run, all_runs
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Garbage:
    """One thing that may be removed.

    Attributes:
        path: File or folder.
        bytes: What it takes.
        why: A few words.
    """

    path: Path
    bytes: int
    why: str


def find_garbage(workspace: Workspace, *, keep: int) -> list[Garbage]:
    """Return what may be removed when the newest `keep` runs stay, with all that they need and all that still runs."""
    runs = all_runs(workspace)
    newest = {run.name for run in runs[max(len(runs) - keep, 0) :]}
    kept = [run for run in runs if run.name in newest or run.seen_status() == "running"]
    needed_paths = [path for run in kept for path in _output_paths(run)]
    gone = [
        run for run in runs if run not in kept and not any(path.is_relative_to(run.folder) for path in needed_paths)
    ]
    gone_folders = [run.folder for run in gone]
    garbage = [Garbage(run.folder, _size(run.folder), f"run older than the newest {keep}") for run in gone]
    manifests = [run.folder.rglob(URIS_NAME) for run in runs if run not in gone]
    needed_videos = {
        Path(uri).resolve() for found in manifests for path in found for uri in json.loads(path.read_text()).values()
    }
    for store in sorted(workspace.root.glob("store")) + sorted(workspace.root.glob("*/store")):
        for entry in sorted((store / "cache").glob("*.json")):
            if _points_into(entry, gone_folders):
                garbage.append(Garbage(entry, entry.stat().st_size, "cache entry of a removed run"))
        for video in sorted(path for path in (store / "videos").glob("??/*") if path.is_file()):
            if video.resolve() not in needed_videos:
                garbage.append(Garbage(video, video.stat().st_size, "video that no run needs"))
        if (fetched := store / "artifacts").is_dir():
            garbage.append(Garbage(fetched, _size(fetched), "copies for reruns of a cluster's steps"))
    return garbage


def remove(garbage: list[Garbage]) -> None:
    """Remove what was found."""
    for each in garbage:
        if each.path.is_dir():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)


def _output_paths(run: Run) -> list[Path]:
    paths = [state.output_path(name) for state in run.steps for name in state.outputs]
    return [path for path in paths if path is not None]


def _points_into(entry: Path, folders: list[Path]) -> bool:
    outputs = json.loads(entry.read_text()).values()
    paths = [Path(output["uri"]) for output in outputs if isinstance(output, dict) and "uri" in output]
    return any(not path.exists() or any(path.is_relative_to(folder) for folder in folders) for path in paths)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
