"""The page of human verification: served over HTTP from the review service's own process."""
