"""What lies between pictures, keys and a terminal: frames to cells, presses to held keys."""
