"""The monitors: each a pure function from a window and those before it to evidence."""
