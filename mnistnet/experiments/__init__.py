"""Many trainings, compared: `compare.py` with `trajectory.py` and `loss_surface.py`, and sweeps in `sweep/`.

From outside: `compare.compare`, `sweep.session.open_session`.
"""
