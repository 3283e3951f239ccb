"""What early stopping would have chosen on the curve of a job."""
