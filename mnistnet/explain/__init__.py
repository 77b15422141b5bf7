"""The video's walkthrough over one digit: what one example's gradient says, and what the average says.

`example_gradient.py`, `sensitivity.py` and `batch_gradient.py` compute; `explanation.py` puts them together;
`report.py` makes six sections of it, in `blocks.py`'s terms, which the terminal, the figure and the page show.
From outside: `explanation.explain`, `report.report`.
"""
