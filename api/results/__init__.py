"""Results as files: JSON and JSON Lines for programs, tables for sheets, a report to be read."""
