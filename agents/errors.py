"""The one kind of error that is a person's to mend; its text says how."""


class UserError(Exception):
    """Bad input or a bad environment, told in one line that says what to do."""


class TrainingDiverged(UserError):
    """A loss, gradient or weight is no longer finite; the last checkpoint stands."""
