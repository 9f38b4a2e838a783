"""What the screens are made of: the game's picture, imagined frames, decisions, values."""
