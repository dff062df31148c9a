"""What the gateway costs beside its Triton, and what other model servers do with the same model on the same machine."""
