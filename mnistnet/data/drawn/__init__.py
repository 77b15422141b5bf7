"""Images drawn by a program, to learn from besides those of a data set.

`strokes.py` is the pen; `digits.py` draws digits, `non_digits.py` letters, scribbles and shapes; `added.py` joins them.
From outside: `digits.draw_digits`, `non_digits.draw_non_digits`, `added.added`.
"""
