"""What goes wrong on the sender's side, said twice: in Vietnamese first, in English beside."""


class SenderError(Exception):
    """Something the sender asked for cannot be done; the texts say what, and what to do.

    Attributes:
        vi: the message in Vietnamese.
        en: the same in English.
    """

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(f"{vi} / {en}")
        self.vi = vi
        self.en = en


class SigningError(SenderError):
    """A transcript cannot be signed as asked."""


class PackagingError(SenderError):
    """A file is no package, or no package can be made of it."""


class ProofError(SenderError):
    """An acknowledgement or receipt does not prove what it should."""


class UnreachableError(SenderError):
    """The service gave no usable answer, however often it was asked."""
