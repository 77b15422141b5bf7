"""From a data set's name, or a folder of your own, to arrays of images and labels.

`registry.py` lists the published sets, `datasets.py` finds, verifies and splits them. `own_data.py` reads data of your
own, each form by a reader in `forms/`; `concerns.py` finds likely mistakes in them, `summary.py` describes them,
`convert.py` writes them as IDX files. `idx.py` is the file format, `download.py` fetches, `augment.py` distorts images,
`drawn/` draws more of them. From outside: `datasets.Examples`, `datasets.Store`, `datasets.split`, `registry.DATASETS`,
`augment.Augmenter`.
"""
