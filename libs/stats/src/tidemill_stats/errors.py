"""Errors of the statistics library.

StatsError
├── InvalidInput           an argument outside its stated shape or range
└── IncompatibleProfiles   two profiles that are not binned alike
"""


class StatsError(ValueError):
    """Base of every error this library raises on purpose."""


class InvalidInput(StatsError):
    """An argument is outside its stated shape or range."""


class IncompatibleProfiles(StatsError):
    """Two profiles differ in columns, kinds, edges or categories, so their counts cannot be compared or added."""
