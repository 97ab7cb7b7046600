"""Whole documents and corpora, read to the end: map, merge, cite, and say what was read."""
