"""One training run, in a process of its own: from a data version to files and a result."""
