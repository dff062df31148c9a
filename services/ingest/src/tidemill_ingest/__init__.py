"""Ingest: makes trustworthy, versioned data sets of what producers push."""
