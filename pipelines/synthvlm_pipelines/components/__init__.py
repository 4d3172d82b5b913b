"""One component a stage.

A component's body is copied into the compiled pipeline and runs on its own there, so everything it
needs is imported inside of it. It makes one call of one service; what is done around every call is
in ``synthvlm_pipelines.stage``.
"""
