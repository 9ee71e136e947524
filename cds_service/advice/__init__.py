"""From findings to answers: which cards, in which order, with which dose, and what may be ordered with one click."""
