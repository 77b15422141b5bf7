"""Utilities: random streams, atomic files, locks, shared memory, number formats.

Knows nothing of networks. Import its modules: `rng`, `atomic_files`, `locks`, `shared_memory`, `number_format`,
`arrays`.
"""
