"""Comparing a candidate (arm 1) with the champion (arm 0) so that looking at any time is allowed."""
