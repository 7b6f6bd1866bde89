"""Everything that numba compiles, and how it is compiled, kept and called: no part of it imports the rest of skreg."""
