"""Configuration files as values: the flat ones of 4.x with every line kept, the HOCON of 5.x as a tree."""
