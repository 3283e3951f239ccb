"""Runs computed once more, and compared bit for bit with what was stored of them."""
