"""One module per group of subcommands of `tidemill`."""
