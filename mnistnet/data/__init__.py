"""From a data set's name, or a folder of your own, to arrays of images and labels.

`registry.py` lists the published sets, `datasets.py` finds, verifies and splits them. `own_data.py` reads data of your
own, each form by a reader in `forms/`; `concerns.py` says what may be wrong with them, `summary.py` what is in
them, `convert.py` writes them anew.
`idx.py` is the file format, `download.py` fetches, `augment.py` distorts images, `drawn/` draws more of them.
From outside: `datasets.Examples`, `datasets.Store`, `datasets.split`, `registry.DATASETS`, `augment.Augmenter`.
"""
