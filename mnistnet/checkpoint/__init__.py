"""Networks on disk: `checkpoint.py` has the format and its header, `npz.py` the strict reader below it.

`find.py` turns a word such as `best` or `last-run` into a file.
From outside: `checkpoint.Checkpoint`, `checkpoint.load`, `checkpoint.save`, `find.find`.
"""
