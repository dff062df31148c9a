"""Watches live predictions and late truth, and asks for retraining when the world moved."""
