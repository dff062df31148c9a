"""Figures as people read them; `–` is what is not known."""

from datetime import UTC, datetime

UNKNOWN = "–"
MINUTE, HOUR, DAY = 60, 3600, 86_400
_UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))


def figure(value: float | None, form: str = ".4g") -> str:
    """A number by a format."""
    return UNKNOWN if value is None else format(value, form)


def count(number: int) -> str:
    """A whole number in at most ten characters."""
    return f"{number:,}" if number < 100_000_000 else f"{number:.3g}"


def percent(share: float | None, digits: int = 3) -> str:
    """A share, 0 to 1, with so many significant digits."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}g}%"


def span(seconds: float | None) -> str:
    """A duration by its two largest units, such as `3 h 12 min`, rounded to the smaller one."""
    if seconds is None:
        return UNKNOWN
    for size, name, part, part_name in _UNITS:
        rounded = round(seconds / part) * part
        if rounded >= size:
            whole, rest = divmod(rounded, size)
            return f"{whole} {name} {rest // part} {part_name}" if rest else f"{whole} {name}"
    return f"{seconds:.3g} s"


def latency(seconds: float | None) -> str:
    """A short duration: milliseconds below a second."""
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def moment(text: object, form: str = "%Y-%m-%d %H:%M") -> str:
    """An RFC 3339 time in UTC."""
    return datetime.fromisoformat(str(text)).astimezone(UTC).strftime(form) if text else UNKNOWN


def plain(name: object) -> str:
    """A name such as `rolled_back` in words."""
    return str(name).replace("_", " ")
