"""Evaluation: what a vision-language model answers, in one record of results from two harnesses.

``python -m synthvlm.evaluation --request FILE.json`` is a job: it knows neither pipelines nor
clusters, reads a model folder and a store, and commits a shard. ``evaluate.py`` is the story.
"""
