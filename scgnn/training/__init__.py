"""Training: budgets, the loop, and what it needs across processes."""
