"""The nouns and the decisions. Pure: no I/O, no clock, no logger, no randomness except through an argument."""
