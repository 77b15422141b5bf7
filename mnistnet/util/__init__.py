"""What every room needs and no textbook mentions: random streams, atomic files, locks, shared memory, numbers in words.

Knows nothing of networks. Import its modules: `rng`, `atomic_files`, `locks`, `shared_memory`, `number_format`,
`arrays`.
"""
