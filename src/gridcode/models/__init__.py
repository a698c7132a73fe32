"""The network: velocity to matrix, recurrence, both together."""
