"""What Tidemill's services share and that is not their domain."""
