"""The flights demo: a year of New York's flights through the whole loop, and a report of what came of it."""
