"""The run report: one self-contained HTML page about one dataset run.

``record`` is what a run leaves behind, ``collect`` reads what it names into the ``RunReport`` of
``model``, ``render`` makes that into the page, and ``write`` does it all, in a store or in a local
folder. The package imports only ``errors`` and ``storage``, so a step of a pipeline can use it.
"""
