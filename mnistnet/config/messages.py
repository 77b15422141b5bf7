"""Turns a failed check of a config into one sentence: where, what was expected, what was found.

msgspec finds the first wrong value and its path; what is allowed there is read from the types themselves, so a new
key or choice explains itself.
"""

import re
from difflib import SequenceMatcher, get_close_matches
from typing import Any

import msgspec

from mnistnet.config import yaml as strict_yaml

OTHER_WORDS = {
    "lr": "learning_rate",
    "rate": "learning_rate",
    "batch": "batch_size",
    "bs": "batch_size",
    "layers": "layer_sizes",
    "hidden": "layer_sizes",
    "hidden_layers": "layer_sizes",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "ema": "weight_averaging",
    "patience": "early_stopping.patience",
    "momentum": "optimizer.momentum",
    "beta1": "optimizer.beta1",
    "beta2": "optimizer.beta2",
    "warmup": "schedule.warmup",
    "cost": "loss",
    "random_seed": "seed",
    "val": "validation",
    "workers": "threads",
    "data": "dataset",
    "mse": "quadratic",
    "l2_loss": "quadratic",
    "mean_squared_error": "quadratic",
    "squared_error": "quadratic",
    "ce": "cross_entropy",
    "crossentropy": "cross_entropy",
    "nll": "cross_entropy",
    "logistic": "sigmoid",
    "adamw": "adam",
    "nag": "nesterov",
    "onecycle": "one_cycle",
    "elastic": "simard2003",
}
"""Names that other programs use for our keys and values."""


def explain_invalid(message: str, values: Any, root: Any, places: dict[strict_yaml.Path, str], source: str) -> str:
    """Return the sentence for a msgspec error `message` about `values`, which should have been a `root`."""
    message, path = _path(message)
    value = _value_at(values, path)
    kind = _type_at(msgspec.inspect.type_info(root), path, values)
    if unknown := re.match(r"Object contains unknown field `(.*)`", message):
        key = unknown[1]
        path = (*path, key)
        allowed = [name for name in _field_names(kind, value) if name != key]
        close = get_close_matches(key, allowed, n=1)
        word = OTHER_WORDS.get(key.lower().replace("-", "_"), "")
        # The path says whether the key of a section is meant.
        if word and (word in allowed or (len(path) == 1 and word.partition(".")[0] in allowed)):
            close = [word]
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(allowed)}"
        if not allowed:
            hint = f"{value.get('name')} takes no keys of its own"
        return f"{_place(path, places, source)}: unknown key {strict_yaml.show(path)[:80]}; {hint}"
    if missing := re.match(r"Object missing required field `(.*)`", message):
        path = (*path, missing[1])
        kind = _type_at(msgspec.inspect.type_info(root), path, values)
        return f"{_place(path, places, source)}: {strict_yaml.show(path)}: missing; expected {_describe(kind, None)}"
    where = f"{_place(path, places, source)}: {strict_yaml.show(path)}".rstrip(": ")
    return f"{where}: expected {_describe(kind, value)}, found {found(value)}{_meant(kind, path, value)}"


def found(value: Any) -> str:
    """Return a value as it was found, cut to a readable length, with its type in words."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return f"{str(value).lower()} (true or false)"
        case int() | float():
            return str(value)[:40]
        case str():
            return f'"{value[:40]}{"..." if len(value) > 40 else ""}" (text)'
        case list():
            text = ", ".join(map(str, value))
            return f"[{text[:40]}{'...' if len(text) > 40 else ''}] (a list of {len(value)})"
        case dict():
            return f"a mapping with the keys {', '.join(map(str, value))[:60]}" if value else "an empty mapping"
    return type(value).__name__


def _meant(kind: Any, path: strict_yaml.Path, value: Any) -> str:
    """Return a hint at a similar word, or nothing."""
    if isinstance(value, str):
        word = value.lower().replace("-", "_").strip()
        words = _words(kind, value)
        meant = next((known for known in (word, OTHER_WORDS.get(word.replace(" ", "_"), "")) if known in words), "")
        return f"; did you mean {meant}?" if meant else ""
    members = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    structs = [member for member in members if isinstance(member, msgspec.inspect.StructType)]
    if isinstance(value, int | float) and len(structs) == 1 and len(structs[0].fields) == 1:
        return f"; did you mean {strict_yaml.show(path)}={{{structs[0].fields[0].encode_name}: {value}}}?"
    return ""


def _words(kind: Any, value: Any) -> list[str]:
    """Return the words that a type allows."""
    kind = _bare(kind)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return [str(word) for word in kind.values]
    if isinstance(kind, msgspec.inspect.UnionType):
        tags = [str(k.tag) for k in kind.types if isinstance(k, msgspec.inspect.StructType) and k.tag]
        return tags + [word for k in kind.types for word in _words(k, value)]
    return []


def _path(message: str) -> tuple[str, strict_yaml.Path]:
    """Split a msgspec message into its text and the path that follows: `$.optimizer.beta1`, `$.layer_sizes[1]`."""
    message, _, place = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    parts = re.findall(r"\.([^.\[`]+)|\[(\d+)\]", place)
    return message, tuple(int(position) if position else key for key, position in parts)


def _place(path: strict_yaml.Path, places: dict[strict_yaml.Path, str], source: str) -> str:
    while path and path not in places:
        path = path[:-1]
    return places.get(path, source)


def _value_at(values: Any, path: strict_yaml.Path) -> Any:
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _type_at(kind: Any, path: strict_yaml.Path, values: Any) -> Any:
    """Follow a path through the types, choosing a section's type by the name the values give it."""
    kind = _bare(kind)
    for part in path:
        if isinstance(kind, msgspec.inspect.UnionType):
            kind = _chosen(kind, values) or kind
        if isinstance(kind, msgspec.inspect.StructType):
            fields = {field.encode_name: field.type for field in kind.fields}
            kind = fields.get(str(part), kind)
        elif isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
        kind = _bare(kind)
        values = _value_at(values, (part,))
    return kind


def _bare(kind: Any) -> Any:
    """Return a type without its description."""
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _chosen(kind: msgspec.inspect.UnionType, values: Any) -> Any:
    structs = [member for member in kind.types if isinstance(member, msgspec.inspect.StructType)]
    name = values.get("name") if isinstance(values, dict) else None
    return next((s for s in structs if s.tag == name), structs[0] if len(structs) == 1 else None)


def _field_names(kind: Any, value: Any) -> list[str]:
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = _chosen(kind, value)
    return [field.encode_name for field in kind.fields] if isinstance(kind, msgspec.inspect.StructType) else []


def _describe(kind: Any, value: Any) -> str:
    """Return what a type allows, in words; choices are listed with those like `value` first."""
    kind = _bare(kind)
    if isinstance(kind, msgspec.inspect.UnionType):
        structs = [k for k in kind.types if isinstance(k, msgspec.inspect.StructType) and k.tag]
        rest = [k for k in kind.types if k not in structs]
        if structs:
            word = value.get("name") if isinstance(value, dict) else value
            return choice([str(k.tag) for k in structs], word)
        return " or ".join(_describe(k, value) for k in rest)
    match kind:
        case msgspec.inspect.LiteralType():
            return choice([str(v) for v in kind.values], value)
        case msgspec.inspect.IntType():
            return "a whole number" + _range(kind)
        case msgspec.inspect.FloatType():
            return "a number" + _range(kind)
        case msgspec.inspect.VarTupleType():
            length = f" of {kind.min_length} to {kind.max_length} entries" if kind.max_length else ""
            return f"a list{length}, each {_describe(kind.item_type, None)}"
        case msgspec.inspect.NoneType():
            return "null"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StrType():
            length = f" of {kind.min_length:,} to {kind.max_length:,} letters" if kind.max_length else ""
            return "text" + length
        case msgspec.inspect.StructType():
            return f"a mapping with the keys {', '.join(field.encode_name for field in kind.fields)}"
    return "another value"


def choice(words: list[str], value: Any) -> str:
    """Return the words to choose from, those like `value` first."""

    def likeness(word: str) -> float:
        return SequenceMatcher(None, word, str(value).lower()).ratio()

    words = sorted(words, key=likeness, reverse=True)
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _range(kind: Any) -> str:
    bounds = (("from", kind.ge), ("above", kind.gt), ("to", kind.le), ("below", kind.lt))
    return "".join(f" {word} {_number(bound)}" for word, bound in bounds if bound is not None)


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:,.12g}"
