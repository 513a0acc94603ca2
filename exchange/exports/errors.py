"""What an export raises when it cannot be made as it was asked for."""


class ExportError(ValueError):
    """One sentence for people: what does not fit, and what to do."""
