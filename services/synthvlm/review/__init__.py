"""Verification of pairs by people: the data model of campaigns, samples and verdicts."""
