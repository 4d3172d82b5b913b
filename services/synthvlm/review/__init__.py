"""Human verification of pairs: campaigns, leases, verdicts, statistics and the annotators' page."""
