"""Escapes control characters in text from others (file names, configs, checkpoints, mirrors, data sets), so that it
cannot move the cursor, change the title or forge a line.
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
    """Return a line of output as `printable` does, with our own colours kept."""
    if text.isprintable():
        return text
    return "".join(part if STYLE.fullmatch(part) else printable(part) for part in STYLE.split(text))


def without_password(text: str) -> str:
    """Return a text without the names and passwords of the addresses in it."""
    return re.sub(r"[^/?#\s]*@", "***@", text)
