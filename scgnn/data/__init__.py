"""AnnData to State: validation, views, orientation and chunked access."""
