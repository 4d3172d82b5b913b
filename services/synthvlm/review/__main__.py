"""``python -m synthvlm.review``: serves until SIGTERM."""

from synthvlm.review.service import SERVICE
from synthvlm.serving import main

if __name__ == "__main__":
    main(SERVICE)
