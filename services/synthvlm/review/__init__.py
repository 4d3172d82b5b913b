"""Human review of pairs: the data model of campaigns, samples and verdicts."""
