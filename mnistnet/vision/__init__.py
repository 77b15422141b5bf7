"""From a picture file to what a network takes: grey, background, detection, ruled lines, rows, normalization.

`preprocess.py` is the way in: it reads a picture for a data set. The other modules are its steps.
"""
