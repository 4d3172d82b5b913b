"""What can be judged, how a campaign works, and the sample that is drawn for it."""
