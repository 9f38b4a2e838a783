"""Looking into what an agent imagines, without a screen: a tree of futures, the eye in it, and what is true of them."""
