"""What a job says while it runs, in order and without a gap."""
