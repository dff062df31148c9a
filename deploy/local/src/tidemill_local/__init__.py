"""The embedded stack of Tidemill and the `tidemill` command."""
