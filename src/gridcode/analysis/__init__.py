"""Analysis of any population: rollouts, rate maps, scores. Knows nothing of how a network was trained."""
