"""Which files of a build context .dockerignore lets in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A line of the file.

    Attributes:
        expression: matches the whole of a path.
        parts: its steps as text, to tell where it can match at all.
        admits: whether it lets in (`!`) what an earlier line kept out.
    """

    expression: re.Pattern[str]
    parts: tuple[str, ...]
    admits: bool


class Ignore:
    """The rules of a .dockerignore file, as Docker reads them: patterns start at the root, the last that fits wins."""

    def __init__(self, text: str) -> None:
        """Reads the file's content; empty lets everything in."""
        self._patterns = [pattern for line in text.splitlines() if (pattern := _pattern(line)) is not None]

    def excludes(self, path: str) -> bool:
        """Whether a path, relative to the context, is kept out by itself or with a folder above it."""
        pure = PurePosixPath(path)
        levels = [str(pure), *(str(parent) for parent in pure.parents if parent != PurePosixPath("."))]
        excluded = False
        for pattern in self._patterns:
            if any(pattern.expression.fullmatch(level) for level in levels):
                excluded = not pattern.admits
        return excluded

    def may_admit_below(self, folder: str) -> bool:
        """Whether anything in a folder that is kept out could still be let in, so that it must be looked through."""
        steps = PurePosixPath(folder).parts
        return any(pattern.admits and _may_match_below(pattern.parts, steps) for pattern in self._patterns)


def files(context: Path, ignore: Ignore) -> Iterator[str]:
    """The files and links of the context that are let in, relative to it, in order."""
    yield from _walk(context, "", ignore)


def ignore_file(context: Path, dockerfile: Path) -> Path | None:
    """The file with the rules: the Dockerfile's own, or else the context's."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    return next((path for path in (own, context / ".dockerignore") if path.is_file()), None)


def _walk(context: Path, folder: str, ignore: Ignore) -> Iterator[str]:
    for entry in sorted((context / folder).iterdir()):
        path = f"{folder}/{entry.name}" if folder else entry.name
        excluded = ignore.excludes(path)
        if entry.is_dir() and not entry.is_symlink():
            # Whole environments and caches are kept out this way: looking through them would take longer than a build.
            if not excluded or ignore.may_admit_below(path):
                yield from _walk(context, path, ignore)
        elif not excluded:
            yield path


def _pattern(line: str) -> _Pattern | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    admits = text.startswith("!")
    cleaned = str(PurePosixPath(text.removeprefix("!").strip())).strip("/")
    if cleaned in ("", "."):
        return None
    return _Pattern(re.compile(_expression(cleaned)), PurePosixPath(cleaned).parts, admits)


def _expression(pattern: str) -> str:
    result, rest = "", pattern
    while rest:
        if rest.startswith("**/"):
            result, rest = result + "(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            result, rest = result + ".*", rest[2:]
        elif rest[0] == "*":
            result, rest = result + "[^/]*", rest[1:]
        elif rest[0] == "?":
            result, rest = result + "[^/]", rest[1:]
        elif rest[0] == "[" and "]" in rest:
            end = rest.index("]") + 1
            result, rest = result + rest[:end], rest[end:]
        elif rest[0] == "\\" and len(rest) > 1:
            result, rest = result + re.escape(rest[1]), rest[2:]
        else:
            result, rest = result + re.escape(rest[0]), rest[1:]
    return result


def _may_match_below(pattern: tuple[str, ...], folder: tuple[str, ...]) -> bool:
    for part, step in zip(pattern, folder, strict=False):
        if "**" in part:
            return True
        if not re.fullmatch(_expression(part), step):
            return False
    return True
