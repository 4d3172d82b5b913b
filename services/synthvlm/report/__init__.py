"""The run report: one self-contained HTML page about one dataset run.

``record`` says what a run leaves behind, ``collect`` reads what it names into the ``RunReport`` of
``model``, ``render`` makes the page of that, and ``write`` does it all, in a store or in a local
folder. It imports nothing but ``errors`` and ``storage``, so a step of a pipeline can use it.
"""
