"""``python -m synthvlm.alignment``: serves until SIGTERM."""

from synthvlm.alignment.service import SERVICE
from synthvlm.serving import main

if __name__ == "__main__":
    main(SERVICE)
