"""The alignment service with a cheap embedder: ``python -m benchmarks.simulation.alignment``."""

from dataclasses import replace

from synthvlm.heap import put_off_full_collections, share_one_heap

if __name__ == "__main__":
    share_one_heap()
    put_off_full_collections()

    from benchmarks.simulation.engines import CheapEmbedder
    from synthvlm.alignment.config import AlignmentSettings
    from synthvlm.alignment.scorer import Scorer
    from synthvlm.alignment.service import SERVICE
    from synthvlm.alignment.servicer import AlignmentServicer
    from synthvlm.profiles import load_profile
    from synthvlm.reuse.index import ScoreIndex, open_index
    from synthvlm.serving import main

    def build(settings: AlignmentSettings) -> AlignmentServicer:
        """A real servicer and scorer with the cheap embedder."""
        scorer = Scorer(CheapEmbedder(), settings.batch_size, settings.threads)
        index = open_index(ScoreIndex, settings.reuse)
        return AlignmentServicer(settings, load_profile(settings.profile).name, scorer, index)

    main(replace(SERVICE, build=build))
