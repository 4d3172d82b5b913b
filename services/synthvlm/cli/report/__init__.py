"""The run report: one self-contained HTML page about one dataset run.

``synthvlm.cli.report.record`` says what a run leaves behind, ``collect`` reads the shards that it
names, ``render`` makes the page, and ``write`` does all three.
"""
