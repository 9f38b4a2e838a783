"""DreamerV2 (Hafner et al. 2021): a world model of discrete latents, and an agent that learns in its dreams."""
