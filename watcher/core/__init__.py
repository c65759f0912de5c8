"""Pure: the nouns, the rules and the life of a file. Knows no clock, no disk, no network, no log."""
