"""Engines: what reads passages and says something about them."""
