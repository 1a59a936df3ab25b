"""The accounts of an extraction: videos in = videos with clips + rejects, and not too many rejects."""

import math
from collections import Counter
from collections.abc import Sequence

from components.contract.clips import ClipRow, Reject
from components.contract.errors import StepError
from components.contract.progress import say
from components.contract.videos import SPLITS, Video


def check_all_accounted(videos: Sequence[Video], *, rows: Sequence[ClipRow], rejects: Sequence[Reject]) -> None:
    """Print the account, and raise where it does not add up, which is a bug."""
    with_clips = {row.video for row in rows}
    say(f"{len(videos)} videos = {len(with_clips)} with clips + {len(rejects)} rejects")
    if sorted([*with_clips, *(reject.video for reject in rejects)]) != sorted(video.name for video in videos):
        raise RuntimeError(f"{len(videos)} videos went in; {len(with_clips)} with clips and {len(rejects)} rejects.")


def check_enough(videos: Sequence[Video], *, rejects: Sequence[Reject], max_rejected_fraction: float) -> None:
    """Stop where too many videos gave no clip, of all or of one class.

    A class may lose one video however small it is, unless nothing may be lost, and never all of them.

    Raises:
        StepError: It names the worst reason or the worst class, and one video.
    """
    n_videos = len(videos)
    if n_videos == 0:
        raise StepError("The manifest lists no videos.", remedy="Widen what ingest_videos chooses.")
    n_in_class = Counter(video.label for video in videos)
    n_lost = Counter(reject.label for reject in rejects)
    classes = sorted(n_lost, key=lambda label: (-n_lost[label] / n_in_class[label], label))
    if len(rejects) == n_videos or len(rejects) > max_rejected_fraction * n_videos:
        worst = f", worst in the class {classes[0]!r} with {n_lost[classes[0]]} of {n_in_class[classes[0]]},"
        raise _too_many(f"{len(rejects)} of {n_videos} videos{worst}", rejects, max_rejected_fraction)
    for label in classes:
        lost, of = n_lost[label], n_in_class[label]
        allowed = max(math.floor(max_rejected_fraction * of), 1 if max_rejected_fraction else 0)
        if lost > allowed or lost == of:
            in_class = [reject for reject in rejects if reject.label == label]
            raise _too_many(f"{lost} of {of} videos of the class {label!r}", in_class, max_rejected_fraction)


def counts_of(rows: Sequence[ClipRow], rejects: Sequence[Reject]) -> dict[str, float]:
    """Return videos, clips and rejects, and these per split and per reason."""
    per_split = Counter(row.split for row in rows)
    per_reason = Counter(reject.reason for reject in rejects)
    return {
        "videos": len({row.video for row in rows}) + len(rejects),
        "clips": len(rows),
        "rejects": len(rejects),
        **{f"clips_{split}": per_split[split] for split in SPLITS},
        **{f"rejects_{reason}": per_reason[reason] for reason in sorted(per_reason)},
    }


def _too_many(found: str, rejects: Sequence[Reject], max_rejected_fraction: float) -> StepError:
    reasons = sorted(Counter(reject.reason for reject in rejects).items(), key=lambda entry: (-entry[1], entry[0]))
    worst = min((reject for reject in rejects if reject.reason == reasons[0][0]), key=lambda reject: reject.video)
    return StepError(
        f"{found} gave no clip, more than max_rejected_fraction={max_rejected_fraction:g} allows "
        f"({', '.join(f'{reason}: {n}' for reason, n in reasons)}); for one, {worst.video}: {worst.detail}",
        remedy="Mend or leave out the videos that the rejects list, or raise max_rejected_fraction.",
    )
