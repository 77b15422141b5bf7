"""The forms in which data sets lie on people's disks: each reader returns the same `Found`.

`idx_files.py`, `csv_files.py`, `numpy_files.py` and `picture_folder.py` are the readers; `own_data.py` chooses one and
does with what it returns what is the same for all. `names.py` understands file names, `values.py` numbers.
"""
