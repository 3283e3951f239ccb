"""Questions about gradients, answered with their proof."""
