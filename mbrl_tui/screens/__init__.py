"""The screens and the panels of which they are laid out."""
