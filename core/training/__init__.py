"""The one training loop: what a run is told, what it says while it runs, and how it is stopped and resumed."""
