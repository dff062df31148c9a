"""The waves pipeline uses the trainer's own algorithms."""
