"""Which videos belong together: groups by column, by name, by folder, by a pattern, or by equal bytes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from components.contract.errors import StepError
from components.ingest_videos.listing import Candidate, Listed
from components.ingest_videos.names import recording_of

GroupBy = Literal["auto", "column", "name", "folder", "pattern", "content"]
GROUPED_BY: tuple[GroupBy, ...] = get_args(GroupBy)

_MOST_PATTERN_CHARACTERS = 500
_PATTERN_LIMIT_S = 10.0
# In a process of its own: a pattern that backtracks without end can only be stopped from outside.
_MATCHING = """
import json, re, sys
pattern, names = json.load(sys.stdin)
found = [re.search(pattern, name) for name in names]
json.dump([match and match[1] for match in found], sys.stdout)
"""

Contents = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Grouping:
    """How groups are told.

    Attributes:
        by: `auto` takes a list's column, then names like UCF101's or HMDB51's; `content` keeps only equal files
            together.
        pattern: Regular expression with one group, searched in the video's name; for `pattern`, and `auto` if given.
    """

    by: str = "auto"
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.by not in GROUPED_BY:
            raise StepError(
                f"Videos cannot be grouped by {self.by!r}.", remedy=f"Choose among {', '.join(GROUPED_BY)}."
            )
        if self.by == "pattern" and not self.pattern:
            raise StepError("group_by is pattern, and there is none.", remedy="Give group_pattern.")
        if self.pattern and self.by not in ("auto", "pattern"):
            raise StepError(
                f"group_pattern is given, and group_by is {self.by}.",
                remedy="Give one of the two, or group_by=pattern.",
            )
        if self.pattern:
            _check_pattern(self.pattern)


@dataclass(frozen=True)
class Grouped:
    """Videos with their groups.

    Attributes:
        candidates: In the order in which they were listed.
        n_unknown: Videos whose recording nothing tells; only equal files among them are together.
    """

    candidates: tuple[Candidate, ...]
    n_unknown: int


def grouped(listed: Sequence[Listed], grouping: Grouping, *, contents: Contents) -> Grouped:
    """Give every video its group.

    Args:
        listed: The videos.
        grouping: How groups are told.
        contents: Returns by name a text that is equal for equal bytes; asked only for videos that nothing else groups.

    Raises:
        StepError: If the pattern takes too long.
    """
    told = _told(listed, grouping)
    unknown = [video for video in listed if not told[video.name]]
    bytes_of = contents([video.name for video in unknown]) if unknown else {}
    # Without the class: equal files are one recording, whatever they are called.
    groups = told | {video.name: f"content/{bytes_of.get(video.name, video.name)}" for video in unknown}
    candidates = tuple(
        Candidate(
            name=video.name, label=video.label, group=groups[video.name] or "", split=video.split, source=video.source
        )
        for video in listed
    )
    return Grouped(candidates=candidates, n_unknown=len(unknown))


def _told(listed: Sequence[Listed], grouping: Grouping) -> dict[str, str | None]:
    if grouping.pattern:
        values = _matches(grouping.pattern, [video.name for video in listed])
        return {
            video.name: f"{video.label}/{value}" if value else None for video, value in zip(listed, values, strict=True)
        }
    return {video.name: _group(video, grouping.by) for video in listed}


def _group(video: Listed, by: str) -> str | None:
    if by in ("auto", "column") and video.group:
        return video.group
    if by in ("auto", "name"):
        recording = recording_of(video.name, video.label)
        return f"{video.label}/{recording}" if recording else None
    if by == "folder" and video.folder:
        return f"{video.label}/{video.folder}"
    return None


def _check_pattern(pattern: str) -> None:
    if len(pattern) > _MOST_PATTERN_CHARACTERS:
        raise StepError(
            f"group_pattern has {len(pattern)} characters; {_MOST_PATTERN_CHARACTERS} are allowed.",
            remedy="Give a shorter one.",
        )
    try:
        n_groups = re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise StepError(
            f"group_pattern {pattern!r} is no regular expression ({error}).", remedy="Mend it; Python's rules hold."
        ) from None
    if n_groups != 1:
        raise StepError(
            f"group_pattern {pattern!r} has {n_groups} groups in parentheses; one is needed.",
            remedy="Put what names the recording in parentheses, and only that: (?:…) groups without being counted.",
        )


def _matches(pattern: str, names: Sequence[str]) -> list[str | None]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _MATCHING],
            input=json.dumps([pattern, list(names)]),
            capture_output=True,
            text=True,
            timeout=_PATTERN_LIMIT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise StepError(
            f"group_pattern {pattern!r} took more than {_PATTERN_LIMIT_S:.0f} s on {len(names)} names.",
            remedy="Give one that does not repeat what is repeated already, such as (a+)+.",
        ) from None
    values: list[str | None] = json.loads(done.stdout)
    return values
