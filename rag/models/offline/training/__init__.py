"""Trains the reader: one encoder with heads for answer spans, relevance and support.

``python -m rag.models.offline.training DATA --work FOLDER`` does it all; it needs the extra
``train``. Nothing else of Ibidem imports this package.
"""
