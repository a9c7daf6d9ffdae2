"""Reading versions out of what programs print."""

import re

from packaging.version import Version


def first_version(text: str) -> Version | None:
    """The first dotted version in a text: `Client Version: v1.34.4+k3s1` gives 1.34.4; none when it holds none."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return Version(match.group()) if match else None
