"""What a job raises when it cannot go on. Free of torch and Django."""


class JobError(Exception):
    """The job cannot succeed as it was asked for, and trying again would not help.

    The message is shown to people as it is: one sentence that says what was wrong, where, and what to do.
    """


class NoChat(JobError, ValueError):
    """A tokenizer cannot write a conversation."""


class Stopped(Exception):
    """The job was asked to stop and has saved what it wants to keep."""
