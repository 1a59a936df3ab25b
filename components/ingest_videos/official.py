"""Official splits: the published lists of UCF101 and HMDB51 that say which videos train and which test."""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from components.contract import buckets
from components.contract.errors import StepError
from components.contract.videos import Split
from components.ingest_videos.addresses import scheme_of, shown, suffix_of
from components.ingest_videos.archive import Archive, open_archive
from components.ingest_videos.inflating import CorruptError
from components.ingest_videos.listing import Listed
from components.ingest_videos.retrying import persistently

OFFICIAL_SPLITS = (0, 1, 2, 3)  # 0: none

_MOST_LISTS = 1000
_MOST_BYTES = 16 << 20
_UCF_LISTS: tuple[tuple[str, Split], ...] = (("trainlist", "train"), ("testlist", "test"))
_HMDB_LIST = re.compile(r"(?P<label>.+)_test_split(?P<number>[1-3])\.txt")
_HMDB_USES: dict[str, Split | None] = {"0": None, "1": "train", "2": "test"}

Texts = Mapping[str, str]
"""Text of each list, by file name."""


@dataclass(frozen=True)
class OfficiallySplit:
    """Videos after the official lists were read.

    Attributes:
        listed: Those that the lists put into a split.
        n_unlisted: Videos that the lists leave out.
        n_absent: Rows that name no video of the source.
    """

    listed: list[Listed]
    n_unlisted: int
    n_absent: int


def officially_split(listed: Sequence[Listed], texts: Texts, *, number: int) -> OfficiallySplit:
    """Give every video the split that the lists say.

    Videos are looked up by their file name without regard to case: 128 rows of UCF101's lists write
    HandStandPushups where its files are named HandstandPushups.

    Args:
        listed: The videos of the source.
        texts: The lists.
        number: Which of the official splits.

    Raises:
        StepError: If the lists are not there or name none of these videos.
    """
    splits = _splits(texts, number)
    labels = {video.label.casefold() for video in listed}
    found = {video.name: splits.get(_key(video.label, video.name)) for video in listed}
    keys = {_key(video.label, video.name) for video in listed}
    absent = [key for key in splits if key not in keys and key[0] in labels]
    if not any(found.values()):
        raise StepError(
            f"The lists of official split {number} name none of the {len(listed)} videos.",
            remedy="Check that they belong to this source.",
        )
    return OfficiallySplit(
        listed=[replace(video, split=split) for video in listed if (split := found[video.name])],
        n_unlisted=sum(split is None for split in found.values()),
        n_absent=len(absent),
    )


def read_lists(where: str) -> dict[str, str]:
    """Return the text of each list in a folder (with those below it) or a zip; local, gs:// or, for a zip, http(s).

    Raises:
        StepError: If there is none, or it is no text.
    """
    found = _lists(where)
    if not found:
        raise StepError(
            f"{shown(where)} holds no split list.",
            remedy="Give split_lists: a folder or zip with trainlist01.txt … or with <class>_test_split1.txt ….",
        )
    if len(found) > _MOST_LISTS:
        raise StepError(f"{shown(where)} holds more than {_MOST_LISTS} texts.", remedy="Give the lists' own folder.")
    try:
        return {name: read().decode("utf-8-sig") for name, read in sorted(found.items())}
    except UnicodeDecodeError:
        raise StepError(f"A list in {shown(where)} is no UTF-8 text.", remedy="Get the lists anew.") from None


def _key(label: str, path: str) -> tuple[str, str]:
    return label.casefold(), path.rpartition("/")[2].casefold()


def _splits(texts: Texts, number: int) -> dict[tuple[str, str], Split | None]:
    if f"trainlist{number:02d}.txt" in texts and f"testlist{number:02d}.txt" in texts:
        return dict(_ucf_rows(texts, number))
    splits = dict(_hmdb_rows(texts, number))
    if not splits:
        raise StepError(
            f"There are no lists of official split {number}.",
            remedy=f"Give split_lists with trainlist{number:02d}.txt and testlist{number:02d}.txt (UCF101), "
            f"or <class>_test_split{number}.txt (HMDB51).",
        )
    return splits


def _ucf_rows(texts: Texts, number: int) -> Iterable[tuple[tuple[str, str], Split]]:
    # `Class/v_….avi <index>` for training, without the index for test, and CRLF.
    for stem, split in _UCF_LISTS:
        for line in texts[f"{stem}{number:02d}.txt"].splitlines():
            path = line.split()[0] if line.strip() else ""
            label, slash, name = path.partition("/")
            if slash and name:
                yield _key(label, name), split


def _hmdb_rows(texts: Texts, number: int) -> Iterable[tuple[tuple[str, str], Split | None]]:
    # `<file> 0|1|2`; a blank may end the line.
    for file_name, text in texts.items():
        match = _HMDB_LIST.fullmatch(file_name)
        if match is None or int(match["number"]) != number:
            continue
        for line in text.splitlines():
            name, _, use = line.strip().rpartition(" ")
            if name and use in _HMDB_USES:
                yield _key(match["label"], name.strip()), _HMDB_USES[use]


def _lists(where: str) -> dict[str, Callable[[], bytes]]:
    if suffix_of(where) == ".zip" or scheme_of(where) in ("http", "https"):
        return _in_zip(where)
    if buckets.is_bucket_uri(where):
        return _in_bucket(where)
    folder = Path(where)
    if not folder.is_dir():
        raise StepError(f"{where} is neither a folder nor a zip of split lists.", remedy="Check split_lists.")
    paths = [path for pattern in ("*.txt", "*/*.txt") for path in sorted(folder.glob(pattern))]
    return {path.name: partial(_read_file, path) for path in paths if _is_list(path.name)}


def _in_bucket(uri: str) -> dict[str, Callable[[], bytes]]:
    files = [file for file in buckets.list_files(uri) if _is_list(file.uri) and file.bytes <= _MOST_BYTES]
    return {PurePosixPath(file.uri).name: partial(buckets.read_bytes, file.uri) for file in files}


def _in_zip(where: str) -> dict[str, Callable[[], bytes]]:
    def read(archive: Archive, info: zipfile.ZipInfo) -> bytes:
        return b"".join(archive.content(info))

    try:
        with closing(open_archive(where)) as archive:
            texts = {
                PurePosixPath(info.filename).name: persistently(partial(read, archive, info), what=shown(where))
                for info in archive.members
                if _is_list(info.filename) and info.file_size <= _MOST_BYTES
            }
    except CorruptError as corrupt:
        raise StepError(f"A list in {shown(where)} cannot be read: {corrupt}.", remedy="Get the lists anew.") from None
    return {name: io.BytesIO(text).read for name, text in texts.items()}


def _is_list(name: str) -> bool:
    file_name = name.rpartition("/")[2]
    return file_name.startswith(("trainlist", "testlist")) or _HMDB_LIST.fullmatch(file_name) is not None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise StepError(f"{path} cannot be read ({error.strerror}).", remedy="Check its permissions.") from None
