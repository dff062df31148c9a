"""Registry: decides by policy which model versions may serve, and can prove why."""
