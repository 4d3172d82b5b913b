"""``python -m synthvlm.generation``: serves until SIGTERM."""

from synthvlm.generation.service import SERVICE
from synthvlm.serving import main

if __name__ == "__main__":
    main(SERVICE)
