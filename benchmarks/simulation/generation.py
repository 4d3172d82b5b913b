"""``python -m benchmarks.simulation.generation``: the service with an engine that sleeps.

How long it sleeps for an image is in the environment, so that the service's settings are those that
its profile gives to the real one, and a run takes it for that.
"""

import os
from dataclasses import replace

from synthvlm.heap import put_off_full_collections, share_one_heap

SECONDS_VARIABLE = "SIMULATION_SECONDS_PER_IMAGE"

if __name__ == "__main__":
    share_one_heap()
    put_off_full_collections()

    from benchmarks.simulation.engines import SleepingGenerator
    from synthvlm.generation.config import GenerationSettings
    from synthvlm.generation.service import SERVICE
    from synthvlm.generation.servicer import GenerationServicer
    from synthvlm.profiles import load_profile
    from synthvlm.reuse.index import ImageIndex, open_index
    from synthvlm.serving import main

    def build(settings: GenerationSettings) -> GenerationServicer:
        """A real servicer with the engine that sleeps."""
        engine = SleepingGenerator(float(os.environ[SECONDS_VARIABLE]), settings.batch_size)
        index = open_index(ImageIndex, settings.reuse)
        return GenerationServicer(settings, load_profile(settings.profile).name, engine, index)

    main(replace(SERVICE, build=build))
