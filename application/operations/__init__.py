"""What is done to many journeys or users of a campaign at once: one kind a module, and the frame that works on them."""
