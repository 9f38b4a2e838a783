"""Advantage actor-critic, after Mnih et al. 2016, *Asynchronous Methods for Deep Reinforcement Learning*."""
