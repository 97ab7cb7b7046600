"""Ibidem side by side with its peers: same files, same model, each in its own fresh process."""
