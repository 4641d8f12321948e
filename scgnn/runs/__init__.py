"""One run: data, pipeline, scores, and the files it leaves."""
