"""Playing without a screen: who plays, on which boards, by which clock, and what is looked ahead."""
