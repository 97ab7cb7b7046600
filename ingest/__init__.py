"""Bytes in, searchable chunks out."""
