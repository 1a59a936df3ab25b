"""What is wrong with an archive's members, told from its directory alone."""

import stat
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.contract.errors import StepError
from components.ingest_videos.inflating import READABLE_METHODS

LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # the member, strongly, and its directory entry
_PATCH = 0x20


@dataclass(frozen=True)
class Limits:
    """What an archive may claim.

    Attributes:
        n_members: Entries of its directory.
        member_bytes: Size of one member.
        total_bytes: Size of all members.
        ratio: How many times smaller than its content a member may be packed; coded video hardly shrinks.
    """

    n_members: int = 250_000
    member_bytes: int = 4 << 30
    total_bytes: int = 2 << 40
    ratio: int = 200

    @property
    def directory_bytes(self) -> int:
        """How large the directory may be: an entry of UCF101 takes 106 bytes."""
        return 256 * self.n_members


def check_directory(infos: Sequence[zipfile.ZipInfo], limits: Limits, *, shown: str) -> None:
    """Refuse an archive that claims more than is allowed.

    Raises:
        StepError: If it has too many members, or they are too large together.
    """
    remedy = "Check where the archive comes from; divide it if it is meant to be so."
    if len(infos) > limits.n_members:
        raise StepError(f"{shown} has {len(infos)} members; {limits.n_members} are allowed.", remedy=remedy)
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise StepError(f"{shown} claims {total} bytes when unpacked; {limits.total_bytes} are allowed.", remedy=remedy)


def defects(infos: Sequence[zipfile.ZipInfo], limits: Limits, *, end: int) -> dict[zipfile.ZipInfo, str]:
    """Return the reason of each member that must not be read.

    Args:
        infos: The directory.
        limits: What a member may claim.
        end: Where the directory begins: members lie before it.
    """
    found = _misplaced(infos, end=end) | _of_one_name(infos)
    for info in infos:
        reason = _own_defect(info, limits)
        if reason:
            found[info] = reason
    return found


def _own_defect(info: zipfile.ZipInfo, limits: Limits) -> str | None:
    mode = info.external_attr >> 16
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode) and not info.is_dir():
        return "it is no regular file"
    if info.compress_type not in READABLE_METHODS or info.flag_bits & _PATCH:
        return f"it is packed with the unknown method {info.compress_type}"
    if info.file_size > limits.member_bytes:
        return f"it claims {info.file_size} bytes; {limits.member_bytes} are allowed"
    if info.file_size > limits.ratio * max(info.compress_size, 1):
        return f"it claims to be packed more than {limits.ratio} times"
    return None


def _misplaced(infos: Sequence[zipfile.ZipInfo], *, end: int) -> dict[zipfile.ZipInfo, str]:
    found: dict[zipfile.ZipInfo, str] = {}
    reached, owner = 0, None
    for info in sorted(infos, key=lambda info: info.header_offset):
        start = info.header_offset
        stop = start + LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size
        if start < 0 or stop > end:
            found[info] = "it does not lie within the archive"
            continue
        if start < reached and owner is not None:
            found[info] = found[owner] = "it overlaps another member"
        if stop > reached:
            reached, owner = stop, info
    return found


def _of_one_name(infos: Sequence[zipfile.ZipInfo]) -> dict[zipfile.ZipInfo, str]:
    exact = Counter(info.orig_filename for info in infos)
    folded = Counter(name.casefold() for name in exact)
    found: dict[zipfile.ZipInfo, str] = {}
    for info in infos:
        if exact[info.orig_filename] > 1:
            found[info] = "the archive holds several members of this name"
        elif folded[info.orig_filename.casefold()] > 1:
            found[info] = "another member's name differs only in upper and lower case"
    return found
