"""One training: `loop.py` is the plain loop to read first; `run.py` keeps a run in its folder.

`data_loader.py` prepares batches, `metrics.py` adds up what an epoch is judged by. `parallel.py` shares a step among
the processes of `process_pool.py`, by `share_rows.py` or `share_neurons.py`, each a `shared_step.py`. From outside:
`loop.fit`, `loop.start`, `run.open_run`.
"""
