"""``python -m synthvlm.dataset``: serves until SIGTERM."""

from synthvlm.dataset.service import SERVICE
from synthvlm.serving import main

if __name__ == "__main__":
    main(SERVICE)
