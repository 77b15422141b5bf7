"""From a picture file to a network's input: colours, background, detection, ruled lines, segmentation, normalization.

`preprocess.py` is the entry point: it reads a picture as its data set asks. `reading.py` has the steps in order, one
module each.
"""
