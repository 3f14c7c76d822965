"""Each check takes a raw value, complains about it or not, and returns what the job will hold."""

import dataclasses
import math
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a value stands, for messages and relative paths, and where its mistakes go."""

    name: str
    folder: Path
    mistakes: list[str]

    def at(self, key: str | int) -> "Place":
        name = f"{self.name}[{key}]" if isinstance(key, int) else f"{self.name}.{key}".lstrip(".")
        return dataclasses.replace(self, name=name)

    def complain(self, fact: str) -> None:
        self.mistakes.append(f"{self.name} {fact}")


Check = Callable[[Any, Place], Any]
shown = reprlib.repr  # shortened: a message must not repeat a list of ten thousand ids


def integer(minimum: int, maximum: int | None = None) -> Check:
    def check(value: Any, place: Place) -> Any:
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or value < minimum or (maximum is not None and value > maximum):
            limit = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            place.complain(f"is {shown(value)}; it must be an integer {limit}")
        return value

    return check


def number(minimum: float, *, exclusive: bool = False, below: float = math.inf) -> Check:
    def check(value: Any, place: Place) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or value < minimum or (exclusive and value == minimum) or value >= below:
            lower = f"above {minimum:g}" if exclusive else f"of at least {minimum:g}"
            upper = f" and below {below:g}" if below < math.inf else ""
            place.complain(f"is {shown(value)}; it must be a number {lower}{upper}")
        return value

    return check


def boolean(value: Any, place: Place) -> Any:
    if not isinstance(value, bool):
        place.complain(f"is {shown(value)}; it must be true or false")
    return value


def text(value: Any, place: Place) -> Any:
    if not isinstance(value, str):
        place.complain(f"is {shown(value)}; it must be a text")
    return value


def choice(*options: str) -> Check:
    def check(value: Any, place: Place) -> Any:
        if value not in options:
            place.complain(f"is {shown(value)}; it must be one of {', '.join(options)}")
        return value

    return check


def one_of_or_names(*options: str) -> Check:
    """One of these, or a list of names that mean something elsewhere."""

    def check(value: Any, place: Place) -> Any:
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        if value not in options:
            place.complain(f"is {shown(value)}; it must be one of {', '.join(options)}, or a list of names")
        return value

    return check


def sha256(value: Any, place: Place) -> Any:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        place.complain(f"is {shown(value)}; it must be a sha256 of 64 hexadecimal digits")
    return value


def nullable(inner: Check) -> Check:
    return lambda value, place: None if value is None else inner(value, place)


def listing(inner: Check, *, minimum: int = 0) -> Check:
    def check(value: Any, place: Place) -> Any:
        if not isinstance(value, list) or len(value) < minimum:
            place.complain(
                f"is {shown(value)}; it must be a list" + (f" of {minimum} or more" if minimum else "")
            )
            return ()
        return tuple(inner(item, place.at(index)) for index, item in enumerate(value))

    return check


def path_to(kind: str) -> Check:
    """`kind`: a file or a folder that is there, or the output folder, which may be missing yet."""

    def check(value: Any, place: Place) -> Any:
        if not isinstance(value, str) or not value:
            place.complain(f"is {shown(value)}; it must be a path")
            return Path()
        found = place.folder / value
        if kind == "file" and not found.is_file():
            place.complain(f"names {value}, which is not a file")
        if kind == "folder" and not found.is_dir():
            place.complain(f"names {value}, which is not a folder")
        if kind == "output" and found.exists() and not found.is_dir():
            place.complain(f"names {value}, which is a file; it must be a folder, there already or not")
        return found

    return check
