"""Text that a terminal only shows: nothing in it moves the cursor, changes the title or forges a line.

File names, configs, checkpoints, mirrors and data sets are other people's words.
"""

import re

STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
"""The colours and the bold of our own lines."""


def printable(text: str) -> str:
    r"""Return a text as one line; control characters, line ends among them, are written as \x1b, \n and so on."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\u00a0" else c.encode("unicode_escape").decode() for c in text)


def printable_line(text: str) -> str:
    """Return a line of output as `printable` does, but for our own colours."""
    if text.isprintable():
        return text
    return "".join(part if STYLE.fullmatch(part) else printable(part) for part in STYLE.split(text))
