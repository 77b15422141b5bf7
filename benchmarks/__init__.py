"""Measurements, and the peers they are measured against; no part of the package."""
