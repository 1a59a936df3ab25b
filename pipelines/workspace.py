"""Where things lie on this machine: runs, the store, the serving directory, all under one folder."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

DEFAULT = ".reelflow"
ENVIRONMENT_VARIABLE = "REELFLOW_WORK_DIR"


class WorkspaceError(Exception):
    """A folder cannot be used, or a run cannot be found."""


@dataclass(frozen=True)
class Workspace:
    """The folders that Reelflow keeps on this machine.

    Attributes:
        root: Absolute path; everything else lies below it.
        store: What lives longer than a run: fetched videos and the cache.
        serving: Base path of the served model, unless a run names another.
    """

    root: Path
    store: Path
    serving: Path

    @classmethod
    def at(cls, path: str) -> "Workspace":
        """Return the workspace at a path.

        Raises:
            WorkspaceError: If kfp.local would not leave that path as it is.
        """
        root = Path(path).absolute()
        refuse_python3(str(root), what="The work folder")
        return cls(root=root, store=root / "store", serving=root / "serving" / "video_classifier")

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """kfp.local's cache: one small file per finished step, which points into a run."""
        return self.store / "cache"

    @property
    def steps(self) -> Path:
        """Outputs of single steps and of reruns."""
        return self.root / "steps"


def refuse_python3(text: str, *, what: str) -> None:
    """Refuse a text that kfp.local would rewrite.

    Its subprocess runner replaces `python3` by the interpreter's path in every argument of a step (kfp 2.17.0,
    `replace_python_executable`), so such a path would silently become another.

    Raises:
        WorkspaceError: If the text contains it.
    """
    if "python3" in text:
        raise WorkspaceError(
            f"{what} {text!r} contains 'python3', which KFP's local runner would rewrite. "
            "Choose a path without it, e.g. with --work-dir."
        )


def new_name(prefix: str = "") -> str:
    """Return a name that sorts by time and does not repeat, e.g. `20260301-142233-9f3a`."""
    return f"{prefix}{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
