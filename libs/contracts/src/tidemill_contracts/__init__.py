"""What Tidemill's services agree on: topic names and the pipeline file (the events are in `tidemill.v1`)."""
