"""A set of 64-bit numbers that remembers in which order they came: 12 to 20 bytes each where a dict takes 120."""

from array import array

EMPTY = -1


class Table:
    """Open addressing with linear probing over an array of places; `hashes[n]` is the n-th number that was added."""

    def __init__(self) -> None:
        self.hashes = array("q")
        self.resize(1 << 12)

    def resize(self, size: int) -> None:
        self.mask = size - 1
        self.slots = array("i", [EMPTY]) * size
        slots, mask = self.slots, self.mask
        for ordinal, number in enumerate(self.hashes):
            place = number & mask
            while slots[place] != EMPTY:
                place = (place + 1) & mask
            slots[place] = ordinal

    def find(self, number: int) -> int:
        """Its place in the order, or -1."""
        slots, hashes, mask = self.slots, self.hashes, self.mask
        place = number & mask
        while (ordinal := slots[place]) != EMPTY:
            if hashes[ordinal] == number:
                return ordinal
            place = (place + 1) & mask
        return EMPTY

    def add(self, number: int) -> int:
        """Add one that is not there yet; its place in the order."""
        hashes = self.hashes
        ordinal = len(hashes)
        if ordinal * 3 >= len(self.slots) * 2:
            self.resize(len(self.slots) * 2)
        hashes.append(number)
        slots, mask = self.slots, self.mask
        place = number & mask
        while slots[place] != EMPTY:
            place = (place + 1) & mask
        slots[place] = ordinal
        return ordinal

    def __len__(self) -> int:
        return len(self.hashes)
