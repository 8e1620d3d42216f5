"""Example styles on named objects: finds the objects by their words, and compares with true masks."""
