"""Writes the tables of docs/config.md: what the schema says of each key, between the marks that stand there.

python -m scripts.config_reference
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.report import replace_between, table
from mnistnet.config import loader as config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "config.md"
Schema = dict[str, Any]


def page(text: str) -> str:
    """Return the page with the tables as they should be."""
    definitions = config.json_schema()["$defs"]
    text = _filled(text, "keys", keys(definitions["Config"], definitions))
    for key in config.SECTIONS:
        text = _filled(text, key, section(sections(definitions["Config"]["properties"][key], definitions)))
    return text


def keys(schema: Schema, definitions: Schema) -> str:
    """Return the table of a section's keys, with those of its sections that have no names."""
    rows = []
    for key, value in schema["properties"].items():
        rows.append(_row(key, value, value["default"]))
        for inner in () if sections(value, definitions) else _references(value):
            properties = definitions[inner]["properties"]
            rows += [_row(f"{key}.{name}", each, each["default"]) for name, each in properties.items()]
    return _keys(rows)


def sections(value: Schema, definitions: Schema) -> dict[str, Schema]:
    """Return the schema of each name that a key can have; none where it has no names."""
    for part in (value, *value.get("anyOf", ())):
        if "discriminator" in part:
            return {name: definitions[_last(at)] for name, at in part["discriminator"]["mapping"].items()}
        if part is not value and (found := sections(part, definitions)):
            return found
    return {}


def section(named: dict[str, Schema]) -> str:
    """Return two tables: of the names, with the keys that are only theirs or start elsewhere, and of all keys."""
    properties: dict[str, list[Schema]] = {}
    for schema in named.values():
        for key, value in schema["properties"].items():
            if key != "name":
                properties.setdefault(key, []).append(value)
    usual = {key: _usual([value["default"] for value in values]) for key, values in properties.items()}
    rows = []
    for name, schema in named.items():
        own = [
            f"`{key}: {shown(value['default'])}`"
            for key, value in schema["properties"].items()
            if key != "name" and (len(properties[key]) < len(named) or value["default"] != usual[key])
        ]
        rows.append([f"`{name}`", ", ".join(own), schema["description"].rstrip(".")])
    names = table(["name", "keys and defaults", "what it does"], rows)
    return f"{names}\n\n{_keys([_row(key, values[0], usual[key]) for key, values in properties.items()])}"


def shown(value: Any) -> str:
    """Return a default as it is written in YAML."""
    match value:
        case {"name": name}:
            return str(name)
        case [*several]:
            return f"[{', '.join(map(shown, several))}]"
        case float():
            return f"{value:g}".replace("e-0", "e-")
        case str():
            return value
    return json.dumps(value)


def allowed(schema: Schema, several: bool = False, such: bool = False) -> str:
    """Return what a value may be, in words: `several` in the plural, a list of `such` as were named before."""
    match schema:
        case {"anyOf": _}:
            parts = _flat(schema)
            words = [allowed(part, such=part.get("items") in parts) for part in parts]
            return f"{', '.join(words[:-1])} or {words[-1]}"
        case {"enum": choices}:
            return ", ".join(f"`{each}`" for each in choices)
        case {"$ref": _}:
            return "mapping"
        case {"type": "array", "items": items}:
            low, high = schema.get("minItems"), schema.get("maxItems")
            count = "" if high is None else f"{high} " if low == high else f"{low} to {high} "
            return f"list of {count}{'such' if such else allowed(items, several=True)}"
        case {"type": "integer" | "number" as kind}:
            return f"{kind}{'s' if several else ''}{_range(schema)}"
        case {"type": "null"}:
            return "`null`"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "string", "pattern": _}:
            return "path"
    raise ValueError(f"expected a kind of schema that this page can put in words, found {schema}")


def _flat(schema: Schema) -> list[Schema]:
    """Return the choices of a schema, each once, words first and null last whatever order they have there."""
    parts = [inner for part in schema["anyOf"] for inner in (_flat(part) if "anyOf" in part else [part])]
    order = {"enum": 0, "$ref": 2, "null": 3}
    ranks = {allowed(part): order.get(part.get("type", next(iter(part))), 1) for part in parts}
    return [next(part for part in parts if allowed(part) == words) for words in sorted(ranks, key=ranks.__getitem__)]


def _range(schema: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {_number(schema[bound])}" for bound, word in words.items() if bound in schema)


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:,.12g}"


def _usual(defaults: list[Any]) -> Any:
    """Return the default that most have, the smallest of several."""
    return min(defaults, key=lambda each: (-defaults.count(each), each if isinstance(each, int | float) else 0))


def _references(schema: Schema) -> list[str]:
    return [_last(part["$ref"]) for part in (schema, *schema.get("anyOf", ())) if "$ref" in part]


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _row(key: str, value: Schema, default: Any) -> list[str]:
    return [f"`{key}`", f"`{shown(default)}`", allowed(value), value["description"]]


def _keys(rows: list[list[str]]) -> str:
    return table(["key", "default", "may be", "meaning"], rows)


def _filled(text: str, name: str, tables: str) -> str:
    return replace_between(text, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", tables)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
