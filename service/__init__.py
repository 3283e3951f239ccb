"""The HTTP service around the core: one folder a feature, and a kit that knows none of them."""
