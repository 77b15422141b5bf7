"""What docs/reliability.md promises: a sample of each promise in `make test`, the full counts in `make torture`."""
