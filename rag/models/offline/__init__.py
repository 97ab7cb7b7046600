"""The engine without a language model: it selects, and never writes, what it says."""

ID = "offline"
"""Name under which its outcomes report it."""
