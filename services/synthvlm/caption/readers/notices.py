"""What is worth knowing of a file that is read all the same."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something that may not be what was meant.

    Attributes:
        file: The file's name, without folders.
        kind: What it is, in snake_case.
        message: The same in a sentence, with what can be done.
        records: How many records it was seen in; 0 where it is about the file.
    """

    file: str
    kind: str
    message: str
    records: int


class Notices:
    """Collects the notices of a file, one of each kind.

    Args:
        file: The file's name.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._messages: dict[str, str] = {}
        self._records: dict[str, int] = {}

    def add(self, kind: str, message: str, records: int = 0) -> None:
        """Notes something; the first message of a kind stays, the records add up."""
        self._messages.setdefault(kind, message)
        self._records[kind] = self._records.get(kind, 0) + records

    def all(self) -> list[Notice]:
        """The notices, in the order in which they came up."""
        return [
            Notice(self._file, kind, message, self._records[kind])
            for kind, message in self._messages.items()
        ]
