"""``python -m synthvlm.caption``: serves until SIGTERM."""

from synthvlm.caption.service import SERVICE
from synthvlm.serving import main

if __name__ == "__main__":
    main(SERVICE)
