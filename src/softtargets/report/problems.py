"""What can be wrong with the files of a report."""


class ReportError(Exception):
    """Something that the user can put right; the message says what, in one line."""
