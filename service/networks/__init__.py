"""Networks, checked before anything is trained."""
