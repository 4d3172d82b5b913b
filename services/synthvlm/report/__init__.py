"""The run report: one self-contained HTML page about one dataset run.

``record`` says what a run leaves behind, ``collect`` reads what it names into the ``RunReport`` of
``model``, ``render`` makes the page of that, and ``write`` does it all.
"""
