"""Names of videos, splits and paths in lists, and what UCF101's and HMDB51's names say."""

import re
from dataclasses import dataclass

from components.contract.videos import Split

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

_SUFFIX = "|".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
_FOLDERS = r"(?:[A-Za-z0-9_-]{1,64}/){0,3}"
_UCF = re.compile(
    rf"{_FOLDERS}(?P<name>v_(?P<label>[A-Za-z0-9]{{1,64}})_g(?P<group>[0-9]{{2,4}})_c[0-9]{{2,4}}\.(?:{_SUFFIX}))"
)
# <video>_<class>_<body part>_<camera motion>_np<people>_<viewpoint>_<quality>_<clip>, as HMDB51's page explains.
_HMDB_TAIL = re.compile(r"_[hufl]_(?:nm|cm)_np[0-9]{1,2}_(?:fr|ba|le|ri)_(?:goo|med|bad)_[0-9]{1,3}\.avi")
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_MOST_CHARACTERS = 1024


@dataclass(frozen=True)
class UcfName:
    """What a name of UCF101 says, e.g. `UCF101/v_SitDown_g03_c02.avi`.

    Attributes:
        name: The file's name, `v_SitDown_g03_c02.avi`.
        label: Class name, `SitDown`.
        recording: The recording that it was cut from, `g03`.
    """

    name: str
    label: str
    recording: str

    @property
    def group(self) -> str:
        """The group: recordings are numbered within a class, so it is qualified by it."""
        return f"{self.label}/{self.recording}"


def ucf_name(path: str) -> UcfName | None:
    """Parse the path of a file or of an archive's member; None when it is not exactly a name of UCF101.

    The path is only parsed and never opened: names that climb (`../`), are absolute or hold other characters
    do not match.
    """
    match = _UCF.fullmatch(path)
    return match and UcfName(name=match["name"], label=match["label"], recording=f"g{match['group']}")


def hmdb_recording(name: str, label: str) -> str | None:
    """Return the video that a file of HMDB51 was cut from: `Ann_09` of `Ann_09_brush_hair_u_nm_np1_ba_goo_0.avi`.

    Args:
        name: The file's name, without folders.
        label: Its class: both parts hold `_`, so only who knows the class can tell them apart. Where the name says
            another class, that stays part of the recording.
    """
    tail = _HMDB_TAIL.search(name)
    if tail is None or tail.end() != len(name):
        return None
    recording = name[: tail.start()].removesuffix(f"_{label}")
    return recording if recording and recording.isprintable() and not set("/\\") & set(recording) else None


def recording_of(name: str, label: str) -> str | None:
    """Return the recording that a video's name tells, after UCF101's or HMDB51's rule, or None."""
    file_name = name.rpartition("/")[2]
    parsed = ucf_name(file_name)
    return parsed.recording if parsed else hmdb_recording(file_name, label)


def split_named(text: str) -> Split | None:
    """Return the split that people call so (`val`, `Training`), or None."""
    return _SPLIT_NAMES.get(text.strip().casefold())


def plain_label(text: str) -> str | None:
    """Return a class name of a list without surrounding blanks; None when it is empty, too long or unprintable."""
    label = text.strip()
    return label if label and label.isprintable() and len(label) <= _MOST_CHARACTERS else None


def plain_path(text: str) -> str | None:
    """Return a path or address of a list; None when it climbs, is empty, too long or unprintable."""
    path = text.strip()
    if not path or not path.isprintable() or len(path) > _MOST_CHARACTERS or ".." in re.split(r"[/\\]", path):
        return None
    return path


def is_video_name(name: str) -> bool:
    """Say whether a name ends like a video's and is not hidden."""
    file_name = name.rpartition("/")[2]
    return file_name.lower().endswith(VIDEO_SUFFIXES) and not file_name.startswith(".") and name.isprintable()


def label_order(label: str) -> tuple[str, str]:
    """Sort key of labels: without regard to case, as UCF101 numbers its classes."""
    return (label.casefold(), label)
