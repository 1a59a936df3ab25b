"""Cron expressions: the five fields that people know, and the six that KFP takes, seconds first."""

import re

# What KFP's scheduler takes (robfig/cron, "CRON Expression Format"): Sunday is 0 and never 7.
_FIELDS = (
    ("seconds", 0, 59, ()),
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    ("day of the week", 0, 6, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)
_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<every>\d+))?")


class CronError(ValueError):
    """A cron expression that KFP would not take, or take for another."""


def six_fields(cron: str) -> str:
    """Return a cron expression as KFP takes it; one of five fields gets the second 0.

    Raises:
        CronError: If it has another number of fields, or a field is out of range.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        raise CronError(f"{cron!r} has {len(fields)} fields, not five (minutes first) or six (seconds first)")
    fields = fields if len(fields) == 6 else ["0", *fields]
    for text, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            _check_part(part, name=name, least=least, most=most, names=names)
    return " ".join(fields)


def _check_part(part: str, *, name: str, least: int, most: int, names: tuple[str, ...]) -> None:
    match = _PART.fullmatch(part)
    if match is None:
        raise CronError(f"{part!r} is no {name}")
    first, last, every = match["first"], match["last"], match["every"]
    bounds = [_number(text, name, least, names) for text in (first, last) if text and text not in "*?"]
    sunday = " (Sunday is 0)" if name == "day of the week" else ""
    if any(not least <= bound <= most for bound in bounds):
        raise CronError(f"{part!r} is no {name}: it goes from {least} to {most}{sunday}")
    if (last and (first in "*?" or bounds[0] > bounds[1])) or every == "0":
        raise CronError(f"{part!r} is no {name}")


def _number(text: str, name: str, least: int, names: tuple[str, ...]) -> int:
    if text.isdigit():
        return int(text)
    if text.upper() in names:
        return names.index(text.upper()) + least
    raise CronError(f"{text!r} is no {name}")
