"""What the server is: name, limits, and its documentation, all without the internet."""
