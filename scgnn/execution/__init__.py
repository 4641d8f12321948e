"""Execution: stages and their cache, progress, files, resources."""
