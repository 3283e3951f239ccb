"""The back-propagation engine: networks, training, data and inspection in NumPy, knowing nothing of HTTP or SQL."""
