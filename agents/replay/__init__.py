"""Memories of what was played."""
