"""Data sets: uploaded, inline or drawn; described, listed, read and deleted."""
