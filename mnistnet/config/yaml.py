"""Strict YAML: PyYAML's parser without its surprises.

`1e-3` is a number, `no` is a word, a key may occur once, and there are only text, numbers, true, false, null, lists and
mappings: no tags that name Python objects, no dates, no aliases that multiply a file in memory. Every value keeps its
line, for errors.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from mnistnet.errors import ConfigError

MAX_BYTES = 1 << 20  # bytes
MAX_VALUES = 2_000
MAX_DEPTH = 12

Path = tuple[str | int, ...]
"""The path to a value: keys, and positions in lists."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map")}


@dataclass
class Document:
    """A parsed file: its root `value`, and the line (from 1) of each path's value."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)


def parse(content: bytes, source: str) -> Document:
    """Read a YAML document. Raises ConfigError, naming `source` and line, on anything but plain data."""
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{source}: expected a file of at most 1 MiB, found {len(content):,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}:{line}: expected UTF-8 text, found byte 0x{content[error.start]:02x}") from None
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except _NotPlainError as error:
        raise ConfigError(f"{source}:{error.line}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ConfigError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    document = Document(None)
    if node is not None:
        document.value = _build(node, (), document.lines, source)
    return document


def show(path: Path) -> str:
    """Return a path as people write it: `optimizer.beta1`, `layer_sizes[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _NotPlainError(Exception):
    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(message)
        self.line = mark.line + 1


class _Loader(yaml.SafeLoader):
    """PyYAML's reader, scanner and parser, with implicit types reduced to JSON's and limits on size and depth."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (the base class's own way to be configured)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _NotPlainError("anchors (&) and aliases (*) are not supported; write the value out", event.start_mark)
        self._values += 1
        if self._values > MAX_VALUES:
            raise _NotPlainError(f"more than {MAX_VALUES:,} values; is this a config file?", event.start_mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotPlainError(f"nested more than {MAX_DEPTH} deep; is this a config file?", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]{1,400}$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


def _build(node: yaml.Node, path: Path, lines: dict[Path, int], source: str) -> Any:
    """Turn a parsed node into Python's plain types, noting lines."""
    line = node.start_mark.line + 1
    lines[path] = line
    where = f"{source}:{line}: {show(path)}".rstrip(": ")
    if node.tag not in _PLAIN:
        tag = node.tag.replace(_TAG, "!!")
        raise ConfigError(f"{where}: expected plain text, a number, a list or a mapping, found YAML tag {tag}")
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, path, lines, source)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), lines, source) for i, item in enumerate(node.value)]
    kind, text = node.tag.removeprefix(_TAG), str(node.value)
    try:
        match kind:
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int":
                return int(text)
            case "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    except (ValueError, KeyError):
        raise ConfigError(f"{where}: expected a value of type {kind}, found {text[:40]!r}") from None
    return text


def _build_mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], source: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _build(key_node, path, {}, source) if isinstance(key_node, yaml.ScalarNode) else None
        inside = f" in {show(path)}" if path else ""
        if not isinstance(key, str):
            shown = f"a {key_node.id}" if key is None else str(key)[:40]
            raise ConfigError(f"{source}:{line}: expected a word as key{inside}, found {shown}")
        if key in mapping:
            first = lines[(*path, key)]
            raise ConfigError(f"{source}:{line}: {show((*path, key))[:80]} stands twice; the first is on line {first}")
        mapping[key] = _build(value_node, (*path, key), lines, source)
    return mapping
