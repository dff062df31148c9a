"""What the trainer reaches outside itself."""
