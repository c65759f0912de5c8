"""What people do to files beside the running agent, and what they are told of them."""
