"""From a picture file to what a network takes: colours, background, detection, lines, rows, normalization.

`preprocess.py` is the way in: it reads a picture for a data set. `reading.py` has the steps in order, one module each.
"""
