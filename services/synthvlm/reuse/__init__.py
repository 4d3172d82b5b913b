"""The index of what stores hold, by identity: whatever is made once is found by every later run."""
