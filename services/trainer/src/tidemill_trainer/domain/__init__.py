"""Decisions of the trainer, from values to values."""
