"""PQN: Q-learning from many games at a time, without a replay (Gallici et al. 2025)."""
