"""Tables, what their columns hold, how they are split, and how they become the numbers a network takes."""
