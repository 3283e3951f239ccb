"""Trained models: what a run leaves behind, by name and version."""
