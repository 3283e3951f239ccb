"""Predictions of a model, as fast as they come."""
