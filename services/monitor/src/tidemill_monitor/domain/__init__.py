"""What the monitor knows and decides, without I/O."""
