"""The doors: REST, command line, worker."""
