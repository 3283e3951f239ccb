"""HTTP as every feature speaks it: problems, strict bodies, pages, sessions, retries."""
