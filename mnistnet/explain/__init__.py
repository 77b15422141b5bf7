"""The video's walkthrough over one digit: what one example's gradient says, and what the average says.

`example_gradient.py`, `sensitivity.py` and `batch_gradient.py` compute; `explanation.py` puts them together;
`report.py` tells it in six sections of `blocks.py`, data that the terminal, the figure and the page show.
From outside: `explanation.explain`, `report.report`.
"""
