import os

# One thread for each process: tests of processes run several at a time, and threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
