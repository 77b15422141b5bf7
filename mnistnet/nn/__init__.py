"""The network and how it learns, in NumPy. Read `network.py` first, then activations, losses, optimizers.

`schedules.py` says how the learning rate changes, `layer_buffers.py` how arrays lie in memory and why.
From outside: `Network`, `ACTIVATIONS`, `LOSSES`, `OPTIMIZERS`, the schedules.
"""
