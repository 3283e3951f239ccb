"""Training runs: what is asked, where it stands, and the queue they wait in."""
