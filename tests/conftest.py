import os

import hypothesis

# One thread for each process: tests of processes run several at a time, and threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

# How long an example takes says more about the machine, and about what else it does, than about us.
hypothesis.settings.register_profile("mbrl", deadline=None)
hypothesis.settings.load_profile("mbrl")
