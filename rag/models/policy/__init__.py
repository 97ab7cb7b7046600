"""Around one task: which engine does it, how often, and what happens where one falls short."""
