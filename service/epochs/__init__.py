"""Learning curves: what was measured in each epoch."""
