"""The two ways to refuse: input that cannot be used, and an extra that is not installed."""

from importlib import import_module


class InputError(ValueError):
    """Input that cannot be compared on; the message is one sentence for the user."""


class MissingExtraError(ImportError):
    """A package of the extra ``skreg[compare]`` is not installed."""


def require(module, purpose):
    """Import an optional package where it is used.

    Parameters
    ----------
    module : str
        The module to import, such as ``"matplotlib.figure"``.
    purpose : str
        What it is needed for; the beginning of the message.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        If it cannot be imported, with one sentence that says what to install.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f'{purpose} needs {package}, which is not installed: pip install "skreg[compare]".'
        ) from None


def listing(names, limit=12):
    """Names in quotes, separated by commas; the rest as a count."""
    names = [repr(str(name)) for name in names]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
