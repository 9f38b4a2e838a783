"""The one kind of error that is a person's to mend; its text says how."""


class UserError(Exception):
    """Bad input or a bad environment, told in one line that says what to do."""


class TrainingDiverged(UserError):
    """A loss, gradient or weight is no longer finite; the last checkpoint stands."""


def check_finite(finite: bool, step: int, what: str, mend: str = "a smaller learning_rate") -> None:
    """Raise TrainingDiverged where `what` is not finite. mend: with which a new run may fare better."""
    if not finite:
        raise TrainingDiverged(
            f"At step {step:,} {what} was not a finite number. The last checkpoint stands; "
            f"a new run with {mend} may fare better."
        )
