"""What a person types: one file for each command; parsing only, heavy imports inside the commands."""
