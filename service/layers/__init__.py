"""What a run has noticed of its layers."""
