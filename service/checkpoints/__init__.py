"""States of a run between epochs, kept so that it can go on from them and that its models can be used."""
