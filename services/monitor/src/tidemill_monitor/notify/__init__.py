"""Tells people of alarms: one notifier a file, channels and routes from a file, each delivery once."""
