"""Writes the sample documents: reports, contracts and letters of an invented pump maker."""
