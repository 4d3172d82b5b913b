"""One component per stage.

A component's body is copied into the compiled pipeline and runs on its own there, so everything it
needs is imported inside it. It fills in the shards that earlier steps made, and makes one call of
one service; what is done around every call is in ``synthvlm_pipelines.stage``.
"""
