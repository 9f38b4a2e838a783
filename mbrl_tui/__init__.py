"""The terminal side: commands, screens and widgets. It knows `agents`; nothing in `agents` knows it."""

import os

# Textual paints on a timer of its own, read from here when it is imported. Late by a moment, that timer lets a
# whole interval pass: at its 60 a second, every other picture of a game that has 60 a second would be lost.
os.environ.setdefault("TEXTUAL_FPS", "240")
