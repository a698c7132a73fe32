"""The verbs of the package: train, evaluate, score, report, compare, film."""
