"""Batches: many requests in one file, carried out as one job."""
