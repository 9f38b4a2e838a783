"""Games: many at a time for training, one at a time for play, one emulator as the perfect world model."""
