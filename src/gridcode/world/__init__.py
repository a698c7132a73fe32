"""Worlds: training batches and the walks that trained networks are evaluated on."""
