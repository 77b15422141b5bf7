"""The config: typed, frozen, strict. A file is a short delta from schema.py's defaults; an override beats the file.

Errors (unknown keys, wrong types, values out of range, contradictions) are one sentence that names file, line and key,
what was expected and what was found.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mnistnet.config import presets
from mnistnet.config import yaml as strict_yaml
from mnistnet.config.messages import choice, explain_invalid, found
from mnistnet.config.schema import Config as Config  # schema.py has the keys, this file the functions
from mnistnet.data.registry import DATASETS, MNIST, DatasetSpec
from mnistnet.errors import ConfigError
from mnistnet.util.atomic_files import reason

SECTIONS = ("optimizer", "schedule", "augment")
"""Keys that may be written as one word, the section's name, or as a mapping with `name` and its own keys."""


@dataclass(frozen=True)
class Change:
    """A key of the config, such as `optimizer.beta1`, its new value, and the place where that was written."""

    key: str
    value: Any
    place: str


def load(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    changes: Sequence[Change] = (),
    base: Config | None = None,
) -> Config:
    """Read a config file (None: `base`, or the defaults), and apply `key=value` overrides and changes.

    A name without folder and ending is that of a shipped config; a file of that name is `./NAME`.
    Raises ConfigError.
    """
    if path is not None and not path.suffix and path == Path(path.name):
        path = presets.path(path.name) or path
    values, places = (to_mapping(base) if base else {}, {}) if path is None else read_mapping(path)
    values = _spell_out(values)
    for override in overrides:
        _override(values, override, places)
    for change in changes:
        _assign(values, tuple(change.key.split(".")), change.value, change.place, places)
    word = values.get("dataset")
    if isinstance(word, str) and word not in DATASETS and os.sep not in word and Path(word).exists():
        values["dataset"] = f"./{word}"  # spelt so that a checkpoint's header shows that it is a path
    return from_mapping(values, places, "defaults" if path is None else str(path))


def read_mapping(path: Path) -> tuple[dict[str, Any], dict[strict_yaml.Path, str]]:
    """Read a YAML file whose root is a mapping; return it, and where each value was written. Raises ConfigError."""
    document = strict_yaml.parse(_read(path), str(path))
    if document.value is None:
        raise ConfigError(
            f"{path}: the file is empty; expected keys such as `epochs: 10` (`mnistnet config` prints all)"
        )
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values at the root, found {found(document.value)}")
    return document.value, {key: f"{path}:{line}" for key, line in document.lines.items()}


def from_mapping(values: Any, places: dict[strict_yaml.Path, str] | None = None, source: str = "config") -> Config:
    """Check plain values, such as a parsed file or a checkpoint's header, and return the config.

    `places` has the place where each path was written, for errors. Raises ConfigError.
    """
    places = places or {}
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(explain_invalid(str(error), values, Config, places, source)) from None
    if config.early_stopping and not config.validation:
        place = places.get(("early_stopping",), source)
        raise ConfigError(
            f"{place}: early_stopping: needs validation images to watch, but validation is 0; "
            "set validation: 5000 or leave early_stopping out"
        )
    hidden = len(config.layer_sizes) - 2
    if isinstance(config.dropout, tuple) and len(config.dropout) != hidden:
        raise ConfigError(
            f"{places.get(('dropout',), source)}: dropout: expected one number, or a list with one for each of the "
            f"{hidden} hidden layers, found {len(config.dropout)} numbers"
        )
    labels = DATASETS.get(config.dataset, MNIST).labels  # the shape of data of your own is not known here
    fitting = labels == MNIST.labels and config.layer_sizes[0] == MNIST.pixels and config.layer_sizes[-1] == len(labels)
    for key in ("drawn_digits", "non_digits"):
        if (count := getattr(config, key)) and not fitting:
            raise ConfigError(
                f"{places.get((key,), source)}: {key}: expected 0, since only images of 28x28 pixels "
                f"that show the digits 0 to 9 can be joined by drawn ones, found {count}"
            )
    if config.dataset in DATASETS:
        check_layer_sizes(config, DATASETS[config.dataset], places.get(("layer_sizes",), source))
        for key in ("orientation", "invert"):
            if getattr(config, key) != getattr(Config(), key):
                raise ConfigError(
                    f"{places.get((key,), source)}: {key}: is for data of your own, found it with {config.dataset}"
                )
    elif not any(separator in config.dataset for separator in "/\\") or not config.dataset.isprintable():
        place = places.get(("dataset",), source)
        raise ConfigError(f"{place}: dataset: {expected_dataset(config.dataset)}, found {found(config.dataset)}")
    return config


def expected_dataset(word: str) -> str:
    """Return the names and forms that a data set may have, the name nearest to `word` first."""
    return f"expected {choice(list(DATASETS), word)}, or the path of data of your own, such as ./my_data"


def check_layer_sizes(config: Config, spec: DatasetSpec, source: str = "config") -> None:
    """Raise ConfigError unless the first layer fits the data set's images and the last its classes."""
    sizes, (rows, columns) = config.layer_sizes, spec.shape
    pixels, classes = f"pixels of an image of {spec.name} ({rows}x{columns})", f"classes of {spec.name}"
    for position, expected, what in ((0, spec.pixels, pixels), (len(sizes) - 1, len(spec.labels), classes)):
        if sizes[position] != expected:
            fitting = [spec.pixels, *sizes[1:-1], len(spec.labels)]
            raise ConfigError(
                f"{source}: layer_sizes[{position}]: expected {expected}, the {what}, found {sizes[position]}; "
                f"layer_sizes: {fitting} fits"
            )


def to_mapping(config: Config) -> dict[str, Any]:
    """Return the config as plain values, as in a checkpoint's header."""
    mapping: dict[str, Any] = _as_lists(msgspec.to_builtins(config))
    return mapping


def to_yaml(config: Config) -> str:
    """Return the whole resolved config as YAML that `load` reads back to an equal config."""
    text: str = yaml.safe_dump(to_mapping(config), sort_keys=False, default_flow_style=None, width=100)
    return text


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file, for editors that complete and check YAML."""
    schema = msgspec.json.schema(Config)
    keys = schema["$defs"]["Config"]["properties"]
    for key in SECTIONS:
        section = keys[key]
        choices = next((part for part in section.get("anyOf", ()) if "discriminator" in part), section)
        words = sorted(choices["discriminator"]["mapping"])
        outside = {name: section.pop(name, None) for name in ("description", "default")}
        keys[key] = {"anyOf": [{"enum": words}, section], **outside}
    named = {"anyOf": [{"enum": list(DATASETS)}, {"type": "string", "pattern": "[/\\\\]"}]}
    keys["dataset"] = named | {name: keys["dataset"][name] for name in ("description", "default")}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mnistnet config", **schema}


def differences(one: Config, other: Config) -> list[str]:
    """Return the keys in which two configs differ."""
    left, right = to_mapping(one), to_mapping(other)
    return [key for key in left if left[key] != right[key]]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(strict_yaml.MAX_BYTES + 1)
    except OSError as error:
        named = path == Path(path.name) and not path.suffix
        known = f", and no shipped config has this name ({', '.join(presets.names())})"
        raise ConfigError(f"{path}: cannot be read: {reason(error)}{known if named else ''}") from None


def _as_lists(value: Any) -> Any:
    """Return plain values with lists in place of tuples, as YAML and JSON have them."""
    if isinstance(value, dict):
        return {key: _as_lists(inner) for key, inner in value.items()}
    return [_as_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _spell_out(values: dict[str, Any]) -> dict[str, Any]:
    """Write sections given as one word out as mappings."""
    return {
        key: {"name": value} if key in SECTIONS and isinstance(value, str) else value for key, value in values.items()
    }


def _override(values: dict[str, Any], override: str, places: dict[strict_yaml.Path, str]) -> None:
    """Apply one `key=value` (`optimizer.beta1=0.8`) to the plain values in place."""
    dotted, equals, text = override.partition("=")
    source = f"--set {override}"
    if not equals or not dotted:
        raise ConfigError(f"{source}: expected key=value, for example --set learning_rate=0.01")
    value = strict_yaml.parse(text.encode("utf-8", "surrogateescape"), source).value
    _assign(values, tuple(dotted.split(".")), value, source, places)


def _assign(
    values: dict[str, Any], keys: tuple[str, ...], value: Any, source: str, places: dict[strict_yaml.Path, str]
) -> None:
    """Set the key at the end of `keys` in place, and note that its value comes from `source`."""
    *parents, last = keys
    section, defaults = values, to_mapping(Config())
    for depth, key in enumerate(parents):
        # A section that the file leaves out starts as the default's name alone: its other keys are defaults anyway.
        default = defaults.get(key) if depth == 0 else None
        inner = section.setdefault(key, {"name": default["name"]} if isinstance(default, dict) else {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{source}: {strict_yaml.show(keys[: depth + 1])} is {found(inner)}, with no keys of its own"
            )
        section = inner
        places[keys[: depth + 1]] = source
    section[last] = _spell_out({last: value})[last] if not parents else value
    for path in [path for path in places if path[: len(keys)] == keys]:
        del places[path]
    places[keys] = source
