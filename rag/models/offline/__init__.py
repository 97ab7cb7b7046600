"""The engine without a language model: it selects, and never writes, what it says."""
