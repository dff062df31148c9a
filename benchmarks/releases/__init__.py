"""Releases simulated with the code that decides them, beside a rule of thresholds and a test of fixed size."""
