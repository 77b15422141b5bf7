"""From YAML to a typed config: `schema.py` lists the keys, `loader.py` reads, overrides and writes them.

`yaml.py` is the strict reader, `messages.py` turns errors into sentences, `presets.py` finds the shipped configs.
From outside: `schema.Config`, the functions of `loader` and `presets`.
"""
