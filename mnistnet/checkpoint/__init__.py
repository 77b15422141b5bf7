"""Networks on disk: `checkpoint.py` is the format with its header, `npz.py` the distrustful reader below it.

`find.py` turns a word such as `best` or `last-run` into a file.
From outside: `checkpoint.Checkpoint`, `checkpoint.load`, `checkpoint.save`, `find.find`.
"""
