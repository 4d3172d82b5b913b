"""``python -m synthvlm.review``: serves until SIGTERM."""

from synthvlm.heap import share_one_heap

if __name__ == "__main__":
    share_one_heap()

    from synthvlm.review.service import SERVICE
    from synthvlm.serving import main

    main(SERVICE)
