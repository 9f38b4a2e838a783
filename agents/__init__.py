"""The learning core: games, networks, training, imagination. It runs without a terminal."""
