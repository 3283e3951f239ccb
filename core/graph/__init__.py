"""From a network to numbers: checked graph, parameter layout, static plan, plain interpreter."""
