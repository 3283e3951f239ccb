"""Jobs that go on from a checkpoint of another one, with declared changes."""
