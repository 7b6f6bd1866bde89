"""What a process that was forked begins with: of the threads of its parent it has but the one that forked."""

import os


def in_child(function):
    """Decorator: call a function at the beginning of each forked process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
    return function
