"""Why a file is left as it is."""


class Unfit(Exception):
    """The file cannot be read, or not be edited without a risk; it says why."""
