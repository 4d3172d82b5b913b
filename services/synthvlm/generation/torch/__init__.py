"""The executor ``torch``: what PyTorch offers to compute a pipeline's networks faster.

``settings.py`` is the section ``pipeline.torch`` of the profiles, ``requirements.py`` says what a
device cannot do, and ``acceleration.py`` applies the section to loaded pipelines. Everything is off
by default.
"""
