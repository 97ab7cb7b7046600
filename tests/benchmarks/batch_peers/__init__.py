"""Batches side by side: the same questions to the same provider, and a kill in the middle."""
