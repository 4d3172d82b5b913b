"""Human verification of pairs: campaigns, leases, verdicts, statistics, their page."""
