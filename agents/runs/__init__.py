"""Trainings on disk: a run directory is the only wire between a trainer and whoever looks on."""
