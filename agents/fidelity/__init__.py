"""Fidelity: how far what a model imagines is what then really happens."""
