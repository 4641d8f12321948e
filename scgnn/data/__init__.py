"""Data: AnnData to State, validation, views and orientation."""
