"""Readers for the forms of data sets on disk; each returns a `Found`.

`idx_files.py`, `csv_files.py`, `numpy_files.py` and `picture_folder.py` are the readers; `own_data.py` chooses one and
processes its result. `names.py` understands file names, `values.py` numbers.
"""
