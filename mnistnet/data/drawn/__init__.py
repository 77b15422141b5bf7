"""Images drawn by a program, to learn from besides those of a data set.

`strokes.py` is the pen; `digits.py` draws digits, `non_digits.py` letters, scribbles and shapes.
From outside: `digits.with_drawn`, `non_digits.with_non_digits`.
"""
