"""Names of videos, and what UCF101's names say."""

import re
from dataclasses import dataclass

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

_SUFFIX = "|".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
_FOLDERS = r"(?:[A-Za-z0-9_-]{1,64}/){0,3}"
_UCF = re.compile(
    rf"{_FOLDERS}(?P<name>v_(?P<label>[A-Za-z0-9]{{1,64}})_g(?P<group>[0-9]{{2,4}})_c[0-9]{{2,4}}\.(?:{_SUFFIX}))"
)


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


def label_order(label: str) -> tuple[str, str]:
    """Sort key of labels: without regard to case, as UCF101 numbers its classes."""
    return (label.casefold(), label)
