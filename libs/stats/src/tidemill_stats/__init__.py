"""Pure statistics for keeping models fresh; README.md says what there is in which module."""
