"""Programs that run once and end, training and evaluation: what they tell, and following them."""
