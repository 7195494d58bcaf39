"""Constants that several layers share."""

#: Label of a row that takes part in nothing (the convention of PyTorch).
IGNORE_INDEX = -100
