"""Campaigns in the database: made, leased, judged and settled, each in one transaction."""
