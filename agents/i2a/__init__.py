"""Imagination-Augmented Agents, after Weber et al. 2017, *Imagination-Augmented Agents for Deep RL*."""
