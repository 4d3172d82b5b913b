"""The command line ``synthvlm``."""
