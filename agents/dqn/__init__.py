"""Deep Q-learning, after Mnih et al. 2015, *Human-level control through deep reinforcement learning*."""
