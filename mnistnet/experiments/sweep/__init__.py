"""Sweeps: trainings that differ in a few keys of the config, on one machine or many, ranked by validation accuracy.

Read `plan.py` first (which trainings), then `trial.py` (one of them), `journal.py` (what is kept), `local.py` and
`cluster.py` (who computes it, here or on a Dask cluster) and `ranking.py` (which was best, and by how much).
"""
