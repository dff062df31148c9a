"""Realised error rates, delays, power and speed of `tidemill_stats`, beside river's detectors in the same run."""
