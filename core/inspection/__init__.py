"""What questions are made of: the batch they are about, its passes, and the form of answers."""
