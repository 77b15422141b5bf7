"""From a data set's name, or a folder of your own, to arrays of images and labels.

`registry.py` lists the published sets, `datasets.py` finds, verifies and splits them, `own_data.py` reads a folder.
`idx.py` is the file format, `download.py` fetches, `augment.py` distorts images, `strokes.py` draws digits.
From outside: `datasets.Examples`, `datasets.Store`, `datasets.split`, `registry.DATASETS`, `augment.Augmenter`.
"""
