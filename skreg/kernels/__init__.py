"""Everything that numba compiles, and nothing else: no part of it imports the rest of skreg."""
