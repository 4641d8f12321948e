"""Statistics of studies: pure functions of tables and arrays."""
