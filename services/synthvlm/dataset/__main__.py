"""``python -m synthvlm.dataset``: serves until SIGTERM."""

from synthvlm.heap import put_off_full_collections, share_one_heap

if __name__ == "__main__":
    share_one_heap()
    put_off_full_collections()

    from synthvlm.dataset.service import SERVICE
    from synthvlm.serving import main

    main(SERVICE)
