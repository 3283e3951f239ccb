"""How good a model is on rows with known targets."""
